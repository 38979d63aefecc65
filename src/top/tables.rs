//! The tables of faces and of stages.

use ratatui::{
    layout::Constraint,
    style::{Modifier, Style},
    widgets::{Block, Row, Table},
};

use crate::http::view::{FaceView, View};

/// Length in cells of the bar that shows a probability.
const BAR: f32 = 10.0;

/// A column of the table of faces.
struct Column {
    name: &'static str,
    width: Constraint,
    /// Whether it is omitted on a narrow terminal.
    is_extra: bool,
    cell: fn(&FaceView) -> String,
}

const COLUMNS: [Column; 10] = [
    Column::new("face", 14, |face| format!("{} {}", face.track, face.category)),
    Column::extra("", 10, |face| {
        "█".repeat((best(face).unwrap_or_default() * BAR).round() as usize)
    }),
    Column::new("prob.", 5, |face| {
        best(face).map_or("-".to_owned(), |best| format!("{best:.2}"))
    }),
    Column::new("val., arous.", 13, |face| {
        format!("{} {}", signed(face.valence), signed(face.arousal))
    }),
    Column::new("width (needs)", 13, |face| match face.needed_width {
        Some(needed) => format!("{:.0} ({needed:.0}) px", face.width),
        None => format!("{:.0} px", face.width),
    }),
    Column::new("distance", 8, |face| {
        face.distance
            .map_or("-".to_owned(), |metres| format!("{metres:.1} m"))
    }),
    Column::extra("yaw, pitch", 10, |face| {
        face.pose.map_or("-".to_owned(), |pose| {
            // Adding 0 turns -0 into 0.
            format!("{:+.0} {:+.0}", pose.yaw.round() + 0.0, pose.pitch.round() + 0.0)
        })
    }),
    Column::extra("attending", 9, |face| {
        if face.attending { "yes" } else { "no" }.to_owned()
    }),
    Column::new("quality", 7, |face| {
        face.quality
            .as_ref()
            .map_or("-".to_owned(), |quality| format!("{:.2}", quality.value))
    }),
    Column::new("flaws", 0, |face| {
        face.quality
            .as_ref()
            .map_or(String::new(), |quality| quality.reasons.join(", "))
    }),
];

impl Column {
    const fn new(name: &'static str, width: u16, cell: fn(&FaceView) -> String) -> Self {
        let width = if width == 0 {
            Constraint::Fill(1)
        } else {
            Constraint::Length(width)
        };
        Self {
            name,
            width,
            is_extra: false,
            cell,
        }
    }

    const fn extra(name: &'static str, width: u16, cell: fn(&FaceView) -> String) -> Self {
        let mut column = Self::new(name, width, cell);
        column.is_extra = true;
        column
    }
}

/// The largest probability.
fn best(face: &FaceView) -> Option<f32> {
    face.probabilities
        .iter()
        .map(|share| share.probability)
        .reduce(f32::max)
}

fn signed(value: Option<f32>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:+.2}"))
}

/// A row for each face, with the columns that a narrow or a wide terminal has room for.
pub(super) fn faces(view: &View, is_wide: bool) -> Table<'_> {
    let frame = view.frame.as_ref();
    let title = frame.map_or("faces".to_owned(), |frame| {
        format!("faces in {} x {} pixels", frame.width, frame.height)
    });
    let block = Block::bordered().title(title);
    let faces = match frame {
        Some(frame) if !frame.withheld && !frame.faces.is_empty() => &frame.faces,
        _ => {
            let rows = [Row::new([nobody(view)])];
            return Table::new(rows, [Constraint::Fill(1)]).block(block);
        }
    };
    let columns = || COLUMNS.iter().filter(|column| is_wide || !column.is_extra);
    let row = |face: &FaceView| {
        let style = if face.seen {
            Style::new()
        } else {
            Style::new().add_modifier(Modifier::DIM)
        };
        Row::new(columns().map(|column| (column.cell)(face)).collect::<Vec<_>>()).style(style)
    };
    let names = Row::new(columns().map(|column| column.name)).style(Modifier::BOLD);
    Table::new(faces.iter().map(row), columns().map(|column| column.width))
        .header(names)
        .block(block)
}

/// Why there is no face to show.
fn nobody(view: &View) -> &'static str {
    match &view.frame {
        Some(frame) if frame.withheld => "withheld",
        Some(_) => "no face",
        None if view.privacy.on => "privacy is on",
        None => "nothing is seen",
    }
}

/// Latency of each stage; on a narrow terminal without the 99th percentile.
pub(super) fn stages(view: &View, is_wide: bool) -> Table<'_> {
    let shown = if is_wide { 3 } else { 2 };
    let row = |name: &str, times: [String; 3]| {
        let times = times.into_iter().take(shown).map(|time| format!("{time:>7}"));
        Row::new(
            [format!("{name:<8}")]
                .into_iter()
                .chain(times)
                .collect::<Vec<_>>(),
        )
    };
    let rows = view.stages.iter().map(|stage| {
        let times = [stage.p50, stage.p95, stage.p99];
        row(&stage.stage, times.map(|time| format!("{time:.1}")))
    });
    let names = row("stage", ["p50", "p95", "p99"].map(str::to_owned));
    Table::new(rows, std::iter::once(8).chain(std::iter::repeat_n(7, shown)))
        .header(names.style(Modifier::BOLD))
        .block(Block::bordered().title("milliseconds"))
}
