//! A figure: as SVG within the page, as a file that says what it is of, and as PNG.

use std::fmt::Write as _;
use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::html::escape;

/// Letters of the PNG, so that they do not depend on the machine's fonts; `font/README.md` says whence.
const FONT: &[u8] = include_bytes!("font/Roboto-Regular-subset.ttf");
const FAMILY: &str = "Roboto";
/// Pixels of the PNG for each of the SVG: 192 for an inch.
const SCALE: f32 = 2.0;
/// The lines under a figure's file that say what it is of: size of letters, height of a line, and the
/// width of a letter, taken a little large.
const SOURCE_SIZE: f64 = 9.0;
const SOURCE_LINE: f64 = 12.0;
const SOURCE_LETTER: f64 = 5.0;

/// A figure, drawn.
#[derive(Debug, Clone)]
pub(super) struct Drawing {
    /// Width and height.
    pub(super) size: [f64; 2],
    pub(super) title: String,
    /// SVG elements.
    pub(super) body: String,
}

impl Drawing {
    /// The figure for a page, which says beneath it what it is of.
    pub(super) fn svg(&self) -> String {
        document(self.size, &self.title, &self.body)
    }

    /// The figure as a file of its own, with what it is of in its last lines.
    pub(super) fn file(&self, source: &str) -> String {
        let [width, height] = self.size;
        let lines = wrapped(source, (width / SOURCE_LETTER) as usize);
        let mut body = self.body.clone();
        for (i, line) in lines.iter().enumerate() {
            let y = height + SOURCE_LINE * (i + 1) as f64;
            let text = escape(line);
            writeln!(
                body,
                "<text x=\"6\" y=\"{y:.0}\" font-size=\"{SOURCE_SIZE}\" fill=\"#5a626d\">{text}</text>"
            )
            .expect("a string takes all");
        }
        let height = height + SOURCE_LINE * lines.len() as f64 + 6.0;
        document([width, height], &self.title, &body)
    }

    /// That file as pixels, the same on every machine.
    ///
    /// # Errors
    ///
    /// In words, where the figure holds a character that XML does not know.
    pub(super) fn png(&self, source: &str) -> Result<Vec<u8>, String> {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(FONT.to_vec());
        fonts.set_sans_serif_family(FAMILY);
        let options = Options {
            font_family: FAMILY.to_owned(),
            fontdb: Arc::new(fonts),
            ..Options::default()
        };
        let tree =
            Tree::from_str(&self.file(source), &options).map_err(|error| error.to_string())?;
        let size = tree.size().to_int_size().scale_by(SCALE).ok_or("it has no size")?;
        let mut pixels =
            Pixmap::new(size.width(), size.height()).ok_or("it is larger than memory")?;
        resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
        pixels.encode_png().map_err(|error| error.to_string())
    }
}

/// A document of its own: the same text serves as a file and inside a page.
fn document([width, height]: [f64; 2], title: &str, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"12\" \
         fill=\"#1c1f24\">\n<title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         {body}</svg>\n",
        escape(title)
    )
}

/// Lines of at most so many letters, where words allow.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use image::GenericImageView as _;

    use super::*;

    /// Whether any pixel of a part is dark.
    fn has_ink(picture: &image::DynamicImage, [top, bottom]: [u32; 2]) -> bool {
        (top..bottom).any(|y| (0..picture.width()).any(|x| picture.get_pixel(x, y).0[0] < 160))
    }

    #[test]
    fn letters_are_drawn_without_fonts_of_the_machine_and_the_source_stands_below() {
        let letters = "<text x=\"10\" y=\"30\" font-size=\"20\">κ 0.84 ± 0.06 −2</text>";
        let drawing =
            Drawing { size: [200.0, 60.0], title: "a < b".to_owned(), body: letters.to_owned() };

        let png = drawing.png("a dataset · N = 4").unwrap();

        let picture = image::load_from_memory(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (400, 156));
        assert!(has_ink(&picture, [20, 70]), "the text");
        assert!(!has_ink(&picture, [80, 120]), "nothing between");
        assert!(has_ink(&picture, [124, 150]), "the source");
        assert_eq!(png, drawing.png("a dataset · N = 4").unwrap());
    }

    #[test]
    fn every_sign_of_the_figures_has_a_letter() {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(FONT.to_vec());
        let face = fonts.faces().next().unwrap();
        assert_eq!((face.families[0].0.as_str(), fonts.len()), (FAMILY, 1));

        let blank = Drawing { size: [40.0, 40.0], title: String::new(), body: String::new() };
        let nothing = blank.png("").unwrap();
        for sign in "κβα±−–—×·≤≥≠é%ß".chars() {
            let body = format!("<text x=\"9\" y=\"30\" font-size=\"24\">{sign}</text>");
            assert_ne!(Drawing { body, ..blank.clone() }.png("").unwrap(), nothing, "{sign}");
        }
    }

    #[test]
    fn a_picture_within_a_figure_is_drawn() {
        let mut png = std::io::Cursor::new(Vec::new());
        image::GrayImage::from_pixel(2, 2, image::Luma([0]))
            .write_to(&mut png, image::ImageFormat::Png)
            .unwrap();
        let data = base64::engine::general_purpose::STANDARD.encode(png.into_inner());
        let body =
            format!("<image width=\"20\" height=\"20\" href=\"data:image/png;base64,{data}\"/>");
        let drawing = Drawing { size: [20.0, 20.0], title: String::new(), body };

        let picture = image::load_from_memory(&drawing.png("").unwrap()).unwrap();

        assert!(has_ink(&picture, [10, 30]));
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one", 1), ["one"]);
    }
}
