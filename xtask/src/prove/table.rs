//! The table, in Markdown that can also be read as it is.

/// What came of one proof.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) often: String,
    pub(super) result: String,
    pub(super) time: String,
    pub(super) holds: bool,
}

const HEAD: [&str; 4] = ["what", "how often", "result", "time"];

pub(super) fn markdown(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| [&*row.what, &row.often, &row.result, &row.time]);
    let lines: Vec<[&str; 4]> = [HEAD].into_iter().chain(cells).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 4] = std::array::from_fn(width);
    let rule = widths.map(|width| "-".repeat(width));
    let line = |cells: [&str; 4]| {
        let padded: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |", padded.join(" | "))
    };
    let mut written: Vec<String> = lines.into_iter().map(line).collect();
    written.insert(1, format!("| {} |", rule.join(" | ")));
    written.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = Row {
            what: "`kill -9`".into(),
            often: "500 kills".into(),
            result: "0 lost".into(),
            time: "3 min".into(),
            holds: true,
        };
        assert_eq!(
            markdown(&[row]),
            "| what      | how often | result | time  |\n\
             | --------- | --------- | ------ | ----- |\n\
             | `kill -9` | 500 kills | 0 lost | 3 min |"
        );
    }
}
