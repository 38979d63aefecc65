//! The figures of the live page in a terminal.

mod circumplex;
mod draw;
mod feed;
mod tables;

use std::{collections::VecDeque, io, time::Duration};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};

use self::feed::{Feed, Message};
use crate::http::{Client, view::View};

/// How often keys are polled.
const POLL: Duration = Duration::from_millis(100);

/// Number of points in the circumplex's trail: ten seconds at five a second.
const TRAIL: usize = 50;

/// The content of the screen.
#[derive(Debug, Default)]
pub struct Screen {
    /// The newest figures; `None` until the daemon has answered, and once it no longer answers.
    view: Option<View>,
    /// Why there are no figures.
    problem: String,
    /// Valence and arousal of the primary face, oldest first.
    trail: VecDeque<(f64, f64)>,
}

impl Screen {
    /// Takes new figures, or the reason why there are none.
    fn take(&mut self, message: Message) {
        match message {
            Message::View(view) => {
                self.follow(&view);
                self.view = Some(*view);
            }
            Message::Problem(problem) => {
                self.view = None;
                self.trail.clear();
                self.problem = problem;
            }
        }
    }

    /// Extends the trail, or clears it if there is no face to follow.
    fn follow(&mut self, view: &View) {
        let primary = view.frame.as_ref().and_then(|frame| frame.faces.first());
        match primary.and_then(|face| face.valence.zip(face.arousal)) {
            None => self.trail.clear(),
            Some((valence, arousal)) => {
                if self.trail.len() == TRAIL {
                    self.trail.pop_front();
                }
                self.trail.push_back((f64::from(valence), f64::from(arousal)));
            }
        }
    }
}

/// Shows the figures until a quit key is pressed.
///
/// # Errors
/// If the terminal cannot be used.
pub fn run(client: Client) -> io::Result<()> {
    let feed = Feed::start(client)?;
    let mut terminal = ratatui::try_init()?;
    let result = show(&mut terminal, &feed);
    ratatui::try_restore()?;
    result
}

fn show(terminal: &mut DefaultTerminal, feed: &Feed) -> io::Result<()> {
    let mut screen = Screen::default();
    "waiting for the daemon".clone_into(&mut screen.problem);
    loop {
        while let Some(message) = feed.take() {
            screen.take(message);
        }
        terminal.draw(|frame| draw::draw(frame, &screen))?;
        if event::poll(POLL)? && matches!(event::read()?, Event::Key(key) if ends(key)) {
            return Ok(());
        }
    }
}

/// Whether the key quits: q, Escape or Ctrl-C.
fn ends(key: KeyEvent) -> bool {
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let is_quit = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
    key.kind == KeyEventKind::Press && (is_interrupt || is_quit)
}

#[cfg(test)]
mod tests;
