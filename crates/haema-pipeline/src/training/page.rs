//! `report.html` of a run: curves, examples and settings on one page that needs nothing beside itself.
//!
//! It holds no time of day, so that a run that was stopped ends with the same page.

use std::fmt::Write as _;

use super::augment::Pair;
use super::config::TrainConfig;
use super::run::Epoch;
use super::split::Split;
use crate::html::escape;
use crate::html::figure::{Picture, Slice};

/// One training case as the network saw it: the plane with the largest share of bleed.
pub(super) struct Example {
    id: String,
    picture: Picture,
}

impl Example {
    pub(super) fn of(id: &str, pair: &Pair, [low, high]: [f32; 2]) -> Self {
        let [_, height, width] = pair.size;
        let plane = height * width;
        let bleed = |z: &usize| -> f32 { pair.target[z * plane..][..plane].iter().sum() };
        let fullest = (0..pair.size[0]).max_by(|a, b| bleed(a).total_cmp(&bleed(b))).unwrap_or(0);
        let own = fullest * plane..(fullest + 1) * plane;
        let slice = Slice {
            number: fullest + 1,
            position_mm: 0.0,
            area_mm2: 0.0,
            size: [height, width],
            pixel_mm: [1.0; 2],
            hu: pair.image[own.clone()].iter().map(|value| low + value * (high - low)).collect(),
            mask: pair.target[own].iter().map(|&share| u8::from(share > 0.5)).collect(),
        };
        Self { id: id.to_owned(), picture: slice.into() }
    }

    fn figure(&self) -> String {
        let [rows, columns] = self.picture.slice.size;
        format!(
            "<figure><div class=\"scan\" style=\"aspect-ratio:{columns}/{rows}\">\
             <img alt=\"{id}\" src=\"{png}\">\
             <svg viewBox=\"0 0 {columns} {rows}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <path class=\"casing\" d=\"{outline}\"/><path class=\"outline\" d=\"{outline}\"/></svg>\
             </div><figcaption><span>{id}</span><span>plane {}</span></figcaption></figure>\n",
            self.picture.slice.number,
            id = escape(&self.id),
            png = self.picture.data_url(),
            outline = self.picture.slice.outline(),
        )
    }
}

/// The whole page.
pub(super) fn page(
    config: &TrainConfig,
    split: &Split,
    log: &[Epoch],
    examples: &[Example],
) -> String {
    let settings = toml::to_string_pretty(config).unwrap_or_default();
    let figures: String = examples.iter().map(Example::figure).collect();
    let dice = |pick: fn(&Epoch) -> Option<f64>| log.iter().map(pick).collect::<Vec<_>>();
    let loss = Chart {
        title: "Loss",
        training: log.iter().map(|row| Some(row.train_loss)).collect(),
        validation: dice(|row| row.validation_loss),
    };
    let overlap = Chart {
        title: "Soft Dice of cases with a bleed",
        training: dice(|row| row.train_dice),
        validation: dice(|row| row.validation_dice),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>Training run · haema</title>\n<style>\n{}{}</style>\n</head>\n<body>\n\
         <header><h1>Training run</h1><p>{} of {} epochs · seed {} · haema {}</p></header>\n\
         <div class=\"charts\">{}{}</div>\n{}\
         <h2>What the network saw <small>training cases as varied in the last epoch; the outline is \
         the target</small></h2>\n<div class=\"montage\">{figures}</div>\n\
         <h2>Settings</h2>\n<pre>{}</pre>\n</body>\n</html>\n",
        include_str!("../html/report.css"),
        include_str!("page.css"),
        log.len(),
        config.epochs,
        config.seed,
        env!("CARGO_PKG_VERSION"),
        loss.svg(),
        overlap.svg(),
        cases(split, log),
        escape(&settings),
    )
}

fn cases(split: &Split, log: &[Epoch]) -> String {
    let mut rows = String::new();
    let mut row = |name: &str, value: String| {
        write!(rows, "<dt>{name}</dt><dd>{value}</dd>").expect("a string takes all");
    };
    row("training cases", split.training.len().to_string());
    row("validation", split.validation.len().to_string());
    row("held aside", split.held_aside.len().to_string());
    if let Some(last) = log.last() {
        row("loss of the last epoch", format!("{:.4}", last.train_loss));
        if let Some(dice) = last.train_dice {
            row("its Dice", format!("{dice:.4}"));
        }
        row("its learning rate", format!("{:.2e}", last.learning_rate));
    }
    format!("<dl>{rows}</dl>\n")
}

/// Two curves over the epochs.
struct Chart {
    title: &'static str,
    training: Vec<Option<f64>>,
    validation: Vec<Option<f64>>,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 240.0;
/// Room for the numbers on the left, and below.
const LEFT: f64 = 52.0;
const BELOW: f64 = 26.0;

impl Chart {
    fn svg(&self) -> String {
        let values = || self.training.iter().chain(&self.validation).flatten().copied();
        let low = values().fold(f64::INFINITY, f64::min);
        let high = values().fold(f64::NEG_INFINITY, f64::max);
        if !(low.is_finite() && high.is_finite()) {
            let title = self.title;
            return format!("<section class=\"chart\"><h2>{title}</h2>no values yet</section>");
        }
        let room = (high - low).max(1e-6);
        let y = |value: f64| 8.0 + (high - value) / room * (HEIGHT - BELOW - 16.0);
        let last = self.training.len().max(2) - 1;
        let x = |epoch: usize| LEFT + epoch as f64 / last as f64 * (WIDTH - LEFT - 8.0);
        let curve = |class: &str, values: &[Option<f64>]| {
            let points: Vec<String> = values
                .iter()
                .enumerate()
                .filter_map(|(epoch, value)| Some(format!("{:.1},{:.1}", x(epoch), y((*value)?))))
                .collect();
            format!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "))
        };
        let mut marks = String::new();
        for value in [low, 0.5 * (low + high), high] {
            write!(
                marks,
                "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>\
                 <text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{value:.3}</text>",
                y(value),
                LEFT - 6.0,
                y(value) + 4.0,
            )
            .expect("a string takes all");
        }
        for epoch in [0, last] {
            write!(
                marks,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                x(epoch).min(WIDTH - 12.0),
                HEIGHT - 6.0,
                epoch + 1,
            )
            .expect("a string takes all");
        }
        let has_validation = self.validation.iter().any(Option::is_some);
        let legend =
            if has_validation { " <small>training, <i>validation</i></small>" } else { "" };
        format!(
            "<section class=\"chart\"><h2>{}{legend}</h2><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             role=\"img\" aria-label=\"{} by epoch, from {low:.3} to {high:.3}\">{marks}{}{}</svg>\
             </section>",
            self.title,
            self.title,
            curve("training", &self.training),
            curve("validation", &self.validation),
        )
    }
}

#[cfg(test)]
mod tests {
    use haema_methods::cnn_ds::Profile;

    use super::*;

    fn epoch(number: u32, loss: f64) -> Epoch {
        Epoch {
            epoch: number,
            train_loss: loss,
            train_dice: Some(1.0 - loss),
            validation_loss: None,
            validation_dice: None,
            learning_rate: 1e-3,
        }
    }

    #[test]
    fn the_page_has_a_point_for_each_epoch_and_names_no_held_case() {
        let split = Split {
            training: vec!["a".into()],
            validation: vec![],
            held_aside: vec!["secret-case".into()],
        };
        let log = [epoch(1, 0.9), epoch(2, 0.5), epoch(3, 0.4)];
        let mut target = vec![0.0; 2 * 4 * 4];
        target[20] = 1.0;
        let pair = Pair { size: [2, 4, 4], image: vec![0.4; 32], target };
        let example = Example::of("a<b", &pair, [0.0, 100.0]);

        let page = page(&TrainConfig::profile(Profile::Recommended), &split, &log, &[example]);

        let curve = page.split("class=\"training\" points=\"").nth(1).unwrap();
        assert_eq!(curve.split('"').next().unwrap().split(' ').count(), 3);
        assert!(page.contains("<span>a&lt;b</span><span>plane 2</span>"));
        assert!(page.contains("<path class=\"outline\" d=\"M0 1h1M0 2h1M0 1v1M1 1v1\"/>"));
        assert!(!page.contains("secret-case"));
    }

    #[test]
    fn a_run_without_epochs_has_a_page() {
        let split = Split { training: vec![], validation: vec![], held_aside: vec![] };

        let page = page(&TrainConfig::profile(Profile::Paper), &split, &[], &[]);

        assert!(page.contains("no values yet"));
    }
}
