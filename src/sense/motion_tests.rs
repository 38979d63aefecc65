//! Synthetic frames: a textured wall with noise, light that changes, and things that move.

use super::*;

const REGION: ChangeFlag = ChangeFlag::new(0);
const TRACK: ChangeFlag = ChangeFlag::new(5);

/// A camera's frames of 640x480 pixels as luma grids.
struct Camera {
    map: ChangeMap,
    grid: LumaGrid,
    random: u32,
    /// Standard deviation of a cell's noise, in levels.
    noise: f32,
}

impl Camera {
    fn new(noise: f32) -> Self {
        Self {
            map: ChangeMap::new(&[TRACK]),
            grid: LumaGrid::default(),
            random: 1,
            noise,
        }
    }

    /// Approximately normal with standard deviation 1: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f32 {
        let mut sum = -6.0;
        for _ in 0..12 {
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (self.random >> 8) as f32 / 16_777_216.0;
        }
        sum
    }

    /// Shows the wall with `light` at each row of cells and `thing` in front of it, which returns the luma of
    /// the cells that it covers.
    fn show(&mut self, light: impl Fn(usize) -> f32, thing: impl Fn(usize, usize) -> Option<f32>) {
        self.grid.reset(640, 480);
        for index in 0..4800 {
            let (column, row) = (index % 80, index / 80);
            let wall = 110.0 + 40.0 * (column as f32 / 5.0).sin() + 30.0 * (row as f32 / 9.0).cos();
            let luma = thing(column, row).unwrap_or(wall) * light(row) + self.noise * self.normal();
            self.grid.cells_mut()[index] = (luma.clamp(0.0, 255.0) * f32::from(LUMA_SCALE)) as i16;
        }
        self.map.update(&self.grid);
    }

    fn show_wall(&mut self) {
        self.show(|_| 1.0, |_, _| None);
    }

    fn has_changed(&self, rect: &Rect) -> bool {
        self.map.has_changed(REGION, rect)
    }

    /// Clears the flag everywhere; returns whether anything had changed.
    fn search(&mut self) -> bool {
        let changed = self.has_changed(&WHOLE);
        self.map.mark_unchanged(REGION, &WHOLE);
        changed
    }
}

const WHOLE: Rect = Rect {
    x: 0.0,
    y: 0.0,
    width: 640.0,
    height: 480.0,
};

fn square(x: f32, y: f32, side: f32) -> Rect {
    Rect {
        x,
        y,
        width: side,
        height: side,
    }
}

#[test]
fn the_first_frame_sets_every_flag_everywhere() {
    let mut camera = Camera::new(0.0);
    camera.show_wall();
    assert!(camera.has_changed(&square(0.0, 0.0, 4.0)) && camera.map.has_changed(TRACK, &WHOLE));
    assert!(camera.search());
    camera.show_wall();
    assert!(!camera.has_changed(&WHOLE), "for the region that was searched");
    assert!(camera.map.has_changed(TRACK, &WHOLE), "not for the track");
    assert!(
        !camera.has_changed(&square(-90.0, 900.0, 50.0)),
        "outside the picture"
    );
}

#[test]
fn noise_sets_no_flag() {
    for noise in [0.1, 0.5, 1.0, 2.0] {
        let mut camera = Camera::new(noise);
        let mut changes = 0;
        for frame in 0..300 {
            camera.show_wall();
            // The noise level is learned from the first frames.
            changes += usize::from(camera.search() && frame > 10);
        }
        assert!(changes <= 1, "{changes} of 290 frames at {noise}");
    }
}

/// The factor of a row's brightness in a frame.
type Lighting = fn(usize, usize) -> f32;

#[test]
fn exposure_steps_and_flicker_set_no_flag() {
    let lights: [(&str, Lighting); 4] = [
        ("a step down", |frame, _| if frame < 20 { 1.0 } else { 0.55 }),
        ("a step up", |frame, _| if frame < 20 { 0.6 } else { 1.1 }),
        ("falling", |frame, _| 1.0 - frame as f32 / 150.0),
        ("rolling bands", |frame, row| {
            1.0 + 0.12 * (frame as f32 * 2.1 + row as f32 / 8.0).sin()
        }),
    ];
    for (name, light) in lights {
        let mut camera = Camera::new(0.4);
        let mut changes = Vec::new();
        for frame in 0..80 {
            camera.show(|row| light(frame, row), |_, _| None);
            if camera.search() && frame > 10 {
                changes.push(frame);
            }
        }
        assert!(changes.len() <= 2, "{name}: {changes:?}");
    }
}

#[test]
fn a_new_object_is_a_local_change_in_any_light() {
    for light in [1.0_f32, 0.45] {
        let mut camera = Camera::new(0.6);
        for _ in 0..20 {
            camera.show_wall();
            camera.search();
        }
        // A face of 16 pixels, 20 levels darker than the wall, while the light changes.
        let wall = |column: usize, row: usize| {
            110.0 + 40.0 * (column as f32 / 5.0).sin() + 30.0 * (row as f32 / 9.0).cos()
        };
        let thing = |column, row| {
            let is_there = (40..42).contains(&column) && (30..32).contains(&row);
            is_there.then(|| wall(column, row) - 20.0)
        };
        // In the frame in which the light steps, the uncertainty is larger.
        camera.show(|_| light, thing);
        camera.show(|_| light, thing);
        assert!(camera.has_changed(&square(310.0, 230.0, 40.0)), "at {light}");
        assert!(!camera.has_changed(&square(100.0, 100.0, 60.0)), "at {light}");
    }
}

#[test]
fn a_slow_change_is_noticed_once_it_is_large_enough() {
    let mut camera = Camera::new(0.3);
    for _ in 0..20 {
        camera.show_wall();
        camera.search();
    }
    let noticed = (0..400).find(|frame| {
        let by = *frame as f32 / 20.0;
        camera.show(
            |_| 1.0,
            |column, row| ((40..44).contains(&column) && (30..34).contains(&row)).then_some(100.0 + by),
        );
        camera.search() && *frame > 0
    });
    // 100 differs from the wall at once; after that it is 4 levels in 80 frames.
    assert!(noticed.is_some_and(|frame| frame < 100), "{noticed:?}");
}

#[test]
fn tracks_are_more_sensitive() {
    let mut camera = Camera::new(0.1);
    for _ in 0..20 {
        camera.show_wall();
        camera.search();
        camera.map.rebase(TRACK, &WHOLE);
    }
    let mouth = |by: f32| {
        move |column: usize, row: usize| {
            let wall = 110.0 + 40.0 * (column as f32 / 5.0).sin() + 30.0 * (row as f32 / 9.0).cos();
            ((40..42).contains(&column) && row == 30).then_some(wall + by)
        }
    };
    camera.show(|_| 1.0, mouth(3.0));
    let near = square(310.0, 230.0, 40.0);
    assert!(camera.map.has_changed(TRACK, &near) && !camera.has_changed(&near));
    // After a track was followed, differences are measured from what it showed.
    camera.map.rebase(TRACK, &near);
    camera.show(|_| 1.0, mouth(3.5));
    assert!(!camera.map.has_changed(TRACK, &near));
}

#[test]
fn an_unknown_or_cleared_luma_has_changed_everywhere() {
    let mut camera = Camera::new(0.0);
    camera.show_wall();
    camera.search();
    camera.show_wall();
    assert!(!camera.has_changed(&WHOLE));
    camera.grid.reset_unknown(640, 480);
    camera.map.update(&camera.grid);
    assert!(!camera.map.is_known() && camera.has_changed(&WHOLE));
    camera.map.mark_unchanged(REGION, &WHOLE);
    assert!(camera.has_changed(&WHOLE));
    camera.show_wall();
    assert!(camera.map.is_known() && camera.search());
    camera.map.clear();
    assert!(!camera.map.is_known() && camera.has_changed(&WHOLE));
}

#[test]
fn explained_areas_are_ignored() {
    let mut camera = Camera::new(0.0);
    camera.show_wall();
    camera.search();
    camera.show(
        |_| 1.0,
        |column, row| ((40..44).contains(&column) && (30..34).contains(&row)).then_some(200.0),
    );
    let around = square(310.0, 230.0, 60.0);
    assert!(camera.has_changed(&WHOLE));
    assert!(!camera.map.has_changed_outside(REGION, &WHOLE, &[around]));
    let half = square(310.0, 230.0, 30.0);
    assert!(camera.map.has_changed_outside(REGION, &WHOLE, &[half]));
}

#[test]
fn a_thin_line_of_changed_cells_asks_for_no_search_and_a_block_does() {
    let cell = 8.0;
    for (columns, rows, is_block) in [(1, 6, false), (6, 1, false), (2, 2, true), (2, 6, true)] {
        let mut camera = Camera::new(0.0);
        camera.show_wall();
        camera.search();
        let is_inside = |column: usize, row: usize| {
            (40..40 + columns).contains(&column) && (30..30 + rows).contains(&row)
        };
        camera.show(|_| 1.0, |column, row| is_inside(column, row).then_some(250.0));
        assert!(camera.has_changed(&WHOLE), "{columns} x {rows}");
        let found = camera.map.box_outside(REGION, &WHOLE, &[]);
        let expected = Rect {
            x: 40.0 * cell,
            y: 30.0 * cell,
            width: columns as f32 * cell,
            height: rows as f32 * cell,
        };
        assert_eq!(found, is_block.then_some(expected), "{columns} x {rows}");
        assert_eq!(camera.map.has_changed_outside(REGION, &WHOLE, &[]), is_block);
    }
}
