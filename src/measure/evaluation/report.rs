//! The metrics as text.

use std::io::Write;

use super::metrics::Evaluator;
use crate::category::Category;

/// Writes all metrics and the confusion matrix.
///
/// # Errors
/// If `out` cannot be written.
pub(super) fn write_text(name: &str, evaluator: &Evaluator, out: &mut dyn Write) -> std::io::Result<()> {
    let summary = evaluator.summary();
    let figure =
        |value: Option<f64>| value.map_or("not measurable".to_owned(), |value| format!("{value:.4}"));
    writeln!(out, "{name}: {} pictures", summary.n)?;
    writeln!(out, "accuracy               {}", figure(summary.accuracy))?;
    writeln!(out, "macro F1               {}", figure(summary.macro_f1))?;
    writeln!(
        out,
        "calibration error      {} ({} without the temperature)",
        figure(summary.ece),
        figure(summary.ece_unscaled),
    )?;
    writeln!(out, "valence-arousal RMSE   {}", figure(summary.va_rmse))?;
    writeln!(out, "valence-arousal CCC    {}", figure(summary.va_ccc))?;
    if summary.accuracy.is_none() {
        return Ok(());
    }
    writeln!(out, "\nconfusion (rows: true, columns: predicted) and recall")?;
    write!(out, "{:<10}", "")?;
    for category in Category::ALL {
        write!(out, "{:>10}", category.name())?;
    }
    writeln!(out, "{:>10}", "recall")?;
    for (category, row) in Category::ALL.into_iter().zip(evaluator.confusion()) {
        write!(out, "{:<10}", category.name())?;
        for count in row {
            write!(out, "{count:>10}")?;
        }
        writeln!(
            out,
            "{:>10}",
            evaluator
                .recall(category)
                .map_or("-".to_owned(), |recall| format!("{recall:.3}"))
        )?;
    }
    Ok(())
}
