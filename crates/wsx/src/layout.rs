use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// A text in rows that fit the terminal, so that the position of the cursor is known without a
/// query.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) rows: Vec<String>,
    pub(crate) cursor_row: usize,
    pub(crate) cursor_column: usize,
}

impl Layout {
    /// Lays out a prompt and a text, with the cursor before the given byte of the text, in a number
    /// of columns and a maximum number of rows. If there are more rows, those around the cursor are
    /// shown.
    pub(crate) fn new(prompt: &str, text: &str, cursor: usize, columns: usize, rows: usize) -> Self {
        let mut layout = Self { rows: vec![prompt.to_owned()], cursor_row: 0, cursor_column: 0 };
        let mut column = prompt.width();
        for (at, grapheme) in text.grapheme_indices(true) {
            let (shown, width) = match grapheme {
                "\n" => ("", 0),
                "\t" => ("    ", 4),
                grapheme => (grapheme, grapheme.width()),
            };
            if column + width > columns {
                layout.rows.push(String::new());
                column = 0;
            }
            if at == cursor {
                layout.put_cursor(column);
            }
            if let Some(row) = layout.rows.last_mut() {
                row.push_str(shown);
            }
            column += width;
            if grapheme == "\n" {
                layout.rows.push(String::new());
                column = 0;
            }
        }
        if cursor >= text.len() {
            // After the last column the cursor is in the next row.
            if column >= columns {
                layout.rows.push(String::new());
                column = 0;
            }
            layout.put_cursor(column);
        }
        let first = (layout.cursor_row + 1).saturating_sub(rows);
        layout.rows.drain(..first);
        layout.rows.truncate(rows.max(1));
        layout.cursor_row -= first;
        layout
    }

    fn put_cursor(&mut self, column: usize) {
        self.cursor_row = self.rows.len() - 1;
        self.cursor_column = column;
    }
}
