//! The tables of faces and of stages.

use ratatui::{
    layout::Constraint,
    style::{Modifier, Style},
    widgets::{Block, Row, Table},
};

use crate::http::view::{FaceView, View};

/// Cells of the bar that shows a probability.
const BAR: f32 = 10.0;

/// A row for each face.
pub(super) fn faces(view: &View) -> Table<'_> {
    let frame = view.frame.as_ref();
    let rows: Vec<Row<'_>> = match frame {
        None => vec![Row::new([nobody(view)])],
        Some(frame) if frame.withheld => vec![Row::new(["withheld".to_owned()])],
        Some(frame) if frame.faces.is_empty() => vec![Row::new(["no face".to_owned()])],
        Some(frame) => frame.faces.iter().map(face).collect(),
    };
    let title = frame.map_or("faces".to_owned(), |frame| {
        format!("faces in {} x {} pixels", frame.width, frame.height)
    });
    let widths = [
        Constraint::Min(12),
        Constraint::Length(16),
        Constraint::Length(16),
        Constraint::Length(12),
        Constraint::Length(8),
        Constraint::Length(12),
        Constraint::Length(8),
        Constraint::Min(10),
    ];
    let names = [
        "face",
        "probability",
        "valence, arousal",
        "width px",
        "metres",
        "yaw, pitch",
        "quality",
        "because",
    ];
    Table::new(rows, widths)
        .header(Row::new(names).style(Modifier::BOLD))
        .block(Block::bordered().title(title))
}

fn nobody(view: &View) -> String {
    if view.privacy.on {
        "privacy is on".to_owned()
    } else {
        "nothing is seen".to_owned()
    }
}

fn face(face: &FaceView) -> Row<'_> {
    let best = face
        .probabilities
        .iter()
        .map(|share| share.probability)
        .reduce(f32::max);
    let bar = best.map_or(String::new(), |best| {
        format!("{} {best:.2}", "█".repeat((best * BAR).round() as usize))
    });
    let number = |value: Option<f32>| value.map_or("-".to_owned(), |value| format!("{value:+.2}"));
    let width = match face.full_width {
        Some(full) => format!("{:.0} of {full:.0}", face.width),
        None => format!("{:.0}", face.width),
    };
    let pose = face.pose.map_or(String::new(), |pose| {
        let attending = if face.attending { " *" } else { "" };
        format!("{:+.0} {:+.0}{attending}", pose.yaw, pose.pitch)
    });
    let quality = face.quality.as_ref();
    let style = if face.seen {
        Style::new()
    } else {
        Style::new().add_modifier(Modifier::DIM)
    };
    Row::new([
        format!("{} {}", face.track, face.category),
        bar,
        format!("{} {}", number(face.valence), number(face.arousal)),
        width,
        face.distance
            .map_or("-".to_owned(), |metres| format!("{metres:.1}")),
        pose,
        quality.map_or("-".to_owned(), |quality| format!("{:.2}", quality.value)),
        quality.map_or(String::new(), |quality| quality.reasons.join(", ")),
    ])
    .style(style)
}

/// Latency of each stage.
pub(super) fn stages(view: &View) -> Table<'_> {
    let rows = view.stages.iter().map(|stage| {
        Row::new([
            stage.stage.clone(),
            format!("{:>7.1}", stage.p50),
            format!("{:>7.1}", stage.p95),
            format!("{:>7.1}", stage.p99),
        ])
    });
    let widths = [
        Constraint::Min(8),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(7),
    ];
    Table::new(rows, widths)
        .header(Row::new(["stage", "    p50", "    p95", "    p99"]).style(Modifier::BOLD))
        .block(Block::bordered().title("milliseconds"))
}
