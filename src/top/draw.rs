//! The layout of the screen.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Paragraph, Wrap},
};

use super::{Screen, circumplex, tables};
use crate::http::view::View;

/// Minimum width at which all columns fit.
const WIDE: u16 = 112;

/// Columns of the stages on a wide and on a narrow terminal: with or without the 99th percentile.
const STAGES: [u16; 2] = [34, 26];

/// Columns of the state that must remain next to the circumplex.
const STATE: [u16; 2] = [48, 30];

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)])
            .areas(frame.area());
    match &screen.view {
        Some(view) => {
            frame.render_widget(heading(view), top);
            figures(frame, middle, view, screen);
        }
        None => {
            let text = Paragraph::new(screen.problem.as_str()).wrap(Wrap { trim: true });
            frame.render_widget(text.block(Block::bordered().title("affectd")), middle);
        }
    }
    frame.render_widget(Line::from("q: quit").style(Modifier::DIM), bottom);
}

fn figures(frame: &mut Frame<'_>, area: Rect, view: &View, screen: &Screen) {
    // Faces come first: on a small terminal the rest is clipped.
    let faces = view.frame.as_ref().map_or(0, |frame| frame.faces.len());
    let rows = u16::try_from(faces.max(1)).unwrap_or(u16::MAX).saturating_add(3);
    let [above, below] = Layout::vertical([Constraint::Length(rows), Constraint::Fill(1)]).areas(area);
    let is_wide = area.width >= WIDE;
    frame.render_widget(tables::faces(view, is_wide), above);
    let [stages, rest] = [STAGES, STATE].map(|columns| columns[usize::from(!is_wide)]);
    // A cell is about twice as high as wide: the circle is as large as the rows and the other columns permit.
    let circle = (2 * below.height).min(area.width.saturating_sub(stages + rest));
    let [left, middle, right] = Layout::horizontal([
        Constraint::Length(circle),
        Constraint::Length(stages),
        Constraint::Fill(1),
    ])
    .areas(below);
    circumplex::render(frame, left, screen.trail.iter().copied());
    frame.render_widget(tables::stages(view, is_wide), middle);
    frame.render_widget(
        Paragraph::new(state(view))
            .wrap(Wrap { trim: true })
            .block(Block::bordered().title("state")),
        right,
    );
}

fn heading(view: &View) -> Line<'_> {
    let uptime = view.uptime as u64;
    Line::from(vec![
        Span::styled(&view.device, Modifier::BOLD),
        Span::raw(format!(
            "  affectd {}  {}  up {}:{:02}:{:02}",
            view.version,
            view.model.name,
            uptime / 3600,
            uptime / 60 % 60,
            uptime % 60
        )),
    ])
}

/// Camera, light, scene, visits, board and broker, one line each.
fn state(view: &View) -> Vec<Line<'_>> {
    let good = Style::new().fg(Color::Green);
    let bad = Style::new().fg(Color::Red);
    let mark = |is_good: bool| if is_good { good } else { bad };
    let mut lines = Vec::new();
    let mut add = |name: &'static str, style: Style, text: String| {
        lines.push(Line::from(vec![
            Span::raw(format!("{name:<9}")),
            Span::styled(text, style),
        ]));
    };
    let camera = &view.camera;
    add(
        "camera",
        mark(camera.status == "ok"),
        format!("{} {:.1}/s  {}", camera.status, camera.fps, camera.reason),
    );
    if let Some(reason) = &view.privacy.reason {
        add("privacy", bad, reason.clone());
    }
    if let Some(quality) = view.frame.as_ref().and_then(|frame| frame.quality.as_ref()) {
        let hints = quality.hints.join(", ");
        let text = format!(
            "light {:.2}  sharpness {:.2}  {hints}",
            quality.light, quality.sharpness
        );
        add("picture", mark(hints.is_empty()), text);
    }
    if let Some(scene) = &view.scene {
        add(
            "scene",
            Style::new(),
            format!("{}  {}", scene.category, counts(scene)),
        );
    }
    let today = &view.visits.today;
    let visits = format!(
        "{} today, {} attended, {} smiled",
        today.visits, today.attended, today.smiled
    );
    add("visits", Style::new(), visits);
    let broker = &view.mqtt;
    add(
        "mqtt",
        mark(broker.state != "disconnected"),
        format!(
            "{} {} {} messages {}",
            broker.state, broker.address, broker.messages, broker.reason
        ),
    );
    let board = &view.board;
    let temperature = board
        .temperature
        .map_or(String::new(), |celsius| format!("{celsius:.0} °C  "));
    let memory = board
        .rss
        .map_or(String::new(), |bytes| format!("{} MB", bytes / 1_000_000));
    add(
        "board",
        mark(board.undervoltage != Some(true)),
        format!("{temperature}load {:.0} %  {memory}", board.load * 100.0),
    );
    if let Some(reason) = &board.shed_reason {
        add("shed", bad, format!("{:.0} %: {reason}", board.shed * 100.0));
    }
    lines
}

fn counts(scene: &crate::http::view::SceneView) -> String {
    match (scene.faces, scene.attending, scene.smiling) {
        (Some(faces), Some(attending), Some(smiling)) => {
            let noun = if faces == 1 { "face" } else { "faces" };
            format!("{faces} {noun}, {attending} attending, {smiling} smiling")
        }
        _ => String::new(),
    }
}
