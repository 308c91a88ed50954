//! A table that goes into a file.

use crate::html::escape;

/// Rows of text under named columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new<'a>(title: &str, columns: impl IntoIterator<Item = &'a str>) -> Self {
        let columns = columns.into_iter().map(str::to_owned).collect();
        Self { title: title.to_owned(), columns, rows: vec![] }
    }

    /// Adds a row: missing cells are empty, cells beyond the last column are an error of the caller.
    ///
    /// # Panics
    ///
    /// Where the row has more cells than the table has columns.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().collect();
        assert!(row.len() <= self.columns.len(), "{}: more cells than columns", self.title);
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// The table with another column at its end.
    ///
    /// # Panics
    ///
    /// Where there is not one cell for each row.
    #[must_use]
    pub fn with_column(mut self, name: &str, cells: Vec<String>) -> Self {
        assert_eq!(cells.len(), self.rows.len(), "{}: one cell for each row", self.title);
        self.columns.push(name.to_owned());
        self.rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
        self
    }

    /// What it shows.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Names of its columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The same with more columns, each the same in every row: where the figures come from.
    #[must_use]
    pub fn with_constants(&self, constants: &[(&str, String)]) -> Self {
        let mut wider = self.clone();
        wider.columns.extend(constants.iter().map(|(name, _)| (*name).to_owned()));
        for row in &mut wider.rows {
            row.extend(constants.iter().map(|(_, value)| value.clone()));
        }
        wider
    }

    /// The rows.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The cell of a row in a named column.
    pub fn get(&self, row: usize, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name == column)?;
        Some(self.rows.get(row)?[at].as_str())
    }

    /// As CSV, with a head; a cell with a comma, a quote or a line break is quoted.
    ///
    /// # Source
    ///
    /// RFC 4180.
    pub fn csv(&self) -> String {
        let quote = |cell: &String| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        };
        let line = |cells: &Vec<String>| {
            let mut line = cells.iter().map(quote).collect::<Vec<_>>().join(",");
            line.push('\n');
            line
        };
        std::iter::once(&self.columns).chain(&self.rows).map(line).collect()
    }

    /// As Markdown, under its title.
    pub fn markdown(&self) -> String {
        let tidy = |cell: &String| cell.replace('|', "\\|").replace(['\n', '\r'], " ");
        let line = |cells: &Vec<String>| {
            format!("| {} |\n", cells.iter().map(tidy).collect::<Vec<_>>().join(" | "))
        };
        let rule = format!("|{}\n", "---|".repeat(self.columns.len()));
        let rows: String = self.rows.iter().map(line).collect();
        format!("## {}\n\n{}{rule}{rows}", self.title, line(&self.columns))
    }

    /// As an HTML table, without its title; columns that begin with `paper` are set apart.
    pub fn html(&self) -> String {
        let class = |column: &str, cell: &str| match (column, cell.parse::<f64>()) {
            (column, _) if column.starts_with("paper") => " class=\"paper\"",
            (_, Ok(_)) => " class=\"n\"",
            _ => "",
        };
        let name = |column: &String| {
            ["<th", class(column, ""), ">", &escape(&column.replace('_', " ")), "</th>"].concat()
        };
        let head: String = self.columns.iter().map(name).collect();
        let row = |cells: &Vec<String>| {
            let cells = cells
                .iter()
                .zip(&self.columns)
                .map(|(cell, column)| format!("<td{}>{}</td>", class(column, cell), escape(cell)));
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let rows: String = self.rows.iter().map(row).collect();
        format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n")
    }
}

/// A figure with so many decimals; empty where there is none.
pub(crate) fn cell(figure: Option<f64>, decimals: usize) -> String {
    let Some(value) = figure.filter(|value| value.is_finite()) else { return String::new() };
    let text = format!("{value:.decimals$}");
    // What is rounded to nothing has no sign.
    let is_nothing = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if is_nothing { text.replace('-', "") } else { text }
}

/// A probability: what is smaller than the decimals show is written with an exponent.
pub(crate) fn p_value(p: Option<f64>, decimals: usize) -> String {
    match p {
        Some(p) if p != 0.0 && p.abs() < 0.5 * 10_f64.powi(-(decimals as i32)) => {
            format!("{p:.2e}")
        }
        _ => cell(p, decimals),
    }
}
