//! Valence and arousal of the primary face, with their recent trail.

use ratatui::{
    Frame,
    layout::Rect,
    style::Color,
    symbols::Marker,
    widgets::{
        Block,
        canvas::{Canvas, Circle, Line, Points},
    },
};

/// Draws the points and highlights the newest.
pub(super) fn render(frame: &mut Frame<'_>, area: Rect, trail: impl Iterator<Item = (f64, f64)>) {
    let trail: Vec<(f64, f64)> = trail.collect();
    // The size without the border. A cell is twice as high as wide, and the circle must look round.
    let [columns, rows] = [area.width, area.height].map(|cells| f64::from(cells.saturating_sub(2).max(1)));
    let across = (columns / (2.0 * rows)).max(1.0);
    let up = (2.0 * rows / columns).max(1.0);
    let canvas = Canvas::default()
        .block(Block::bordered().title("valence →, arousal ↑"))
        .marker(Marker::Braille)
        .x_bounds([-across, across])
        .y_bounds([-up, up])
        .paint(|context| {
            context.draw(&Circle::new(0.0, 0.0, 1.0, Color::DarkGray));
            context.draw(&Line::new(-1.0, 0.0, 1.0, 0.0, Color::DarkGray));
            context.draw(&Line::new(0.0, -1.0, 0.0, 1.0, Color::DarkGray));
            context.draw(&Points::new(&trail, Color::Gray));
            if let Some((x, y)) = trail.last() {
                context.print(*x, *y, "●");
            }
        });
    frame.render_widget(canvas, area);
}
