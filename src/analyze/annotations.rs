//! Where annotated pictures are written. Every target is determined and checked before the first picture is
//! read.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{Cursor, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use image::{ImageFormat, RgbImage};

use super::AnnotateOptions;
use crate::error::{Exit, Failure};

/// Extensions of the formats that can be written.
const WRITABLE: [&str; 3] = ["png", "jpg", "jpeg"];

/// The target of each picture, in the order of the pictures.
#[derive(Debug)]
pub(super) struct Annotations {
    targets: Vec<PathBuf>,
    force: bool,
}

impl Annotations {
    /// Determines the targets of `pictures`, and creates the folder for them if it is missing.
    ///
    /// # Errors
    /// [`Exit::Usage`] if a target is one of the pictures under any name, if it exists and
    /// [`AnnotateOptions::force`] is not set, or if the folder cannot be created.
    pub(super) fn plan(options: &AnnotateOptions, pictures: &[PathBuf]) -> Result<Self, Failure> {
        let AnnotateOptions { path, force } = options;
        let refuse =
            |reason: String| Failure::new(Exit::Usage, anyhow!("--annotate {}: {reason}", path.display()));
        let is_file = is_writable(path) && !path.is_dir();
        if is_file && pictures.len() > 1 {
            return Err(refuse(format!(
                "one file cannot hold {} pictures; allowed: a .png or .jpg file for one picture, or a folder",
                pictures.len()
            )));
        }
        let targets = if is_file {
            vec![path.clone()]
        } else {
            targets_in(path, pictures)
        };
        let inputs: HashSet<FileId> = pictures
            .iter()
            .filter_map(|picture| FileId::of(picture))
            .collect();
        for target in &targets {
            let shown = target.display();
            if FileId::of(target).is_some_and(|id| inputs.contains(&id)) {
                return Err(refuse(format!(
                    "{shown} is one of the pictures, which are never overwritten"
                )));
            }
            if !force && target.symlink_metadata().is_ok() {
                return Err(refuse(format!("{shown} exists; --force overwrites it")));
            }
        }
        if !is_file {
            fs::create_dir_all(path).map_err(|error| {
                refuse(format!(
                    "cannot be created: {error}; allowed: a .png or .jpg file for one picture, or a folder"
                ))
            })?;
        }
        Ok(Self {
            targets,
            force: *force,
        })
    }

    /// Writes the annotated copy of the picture with this index.
    ///
    /// # Errors
    /// If it cannot be encoded or written. An incomplete file is removed.
    pub(super) fn write(&self, index: usize, image: &RgbImage) -> anyhow::Result<()> {
        let target = &self.targets[index];
        let context = || format!("cannot write {}", target.display());
        let mut encoded = Cursor::new(Vec::new());
        let format = ImageFormat::from_path(target).with_context(context)?;
        image.write_to(&mut encoded, format).with_context(context)?;
        let mut open = OpenOptions::new();
        if self.force {
            open.write(true).create(true).truncate(true);
        } else {
            // Also refuses a file that was created after the check.
            open.write(true).create_new(true);
        }
        let mut file = open.open(target).with_context(context)?;
        let written = file.write_all(encoded.get_ref());
        if written.is_err() {
            // The error of the write is the one that matters.
            let _ = fs::remove_file(target);
        }
        written.with_context(context)
    }
}

fn is_writable(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| WRITABLE.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The path of each picture's PNG file in `folder`, numbered if two pictures have the same name.
fn targets_in(folder: &Path, pictures: &[PathBuf]) -> Vec<PathBuf> {
    let mut taken = HashSet::new();
    let mut target = |picture: &PathBuf| {
        // As bytes, because names need not be UTF-8.
        let stem = picture.file_stem().unwrap_or_default();
        let named = |suffix: &str| {
            let mut name = OsString::from(stem);
            name.push(suffix);
            folder.join(name)
        };
        let mut target = named(".png");
        let mut number = 2;
        while !taken.insert(target.clone()) {
            target = named(&format!("-{number}.png"));
            number += 1;
        }
        target
    };
    pictures.iter().map(&mut target).collect()
}

/// Identifies a file, whatever path refers to it.
#[derive(Debug, PartialEq, Eq, Hash)]
enum FileId {
    /// Device and inode of an existing file, so that symbolic and hard links count as the file itself.
    Inode(u64, u64),
    /// The absolute path of a file that does not exist yet.
    Missing(PathBuf),
}

impl FileId {
    /// `None` if not even the file's folder exists.
    fn of(path: &Path) -> Option<Self> {
        if let Ok(metadata) = path.metadata() {
            return Some(Self::Inode(metadata.dev(), metadata.ino()));
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Some(Self::Missing(folder.canonicalize().ok()?.join(path.file_name()?)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn plan(path: &Path, force: bool, pictures: &[&Path]) -> Result<Annotations, Failure> {
        let options = AnnotateOptions {
            path: path.to_owned(),
            force,
        };
        let pictures: Vec<PathBuf> = pictures.iter().map(|picture| picture.to_path_buf()).collect();
        Annotations::plan(&options, &pictures)
    }

    fn refused(path: &Path, force: bool, pictures: &[&Path], named: &str) {
        let failure = plan(path, force, pictures).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains(named), "{failure}");
    }

    #[test]
    fn a_file_holds_one_picture_and_a_folder_any_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.png");
        let annotations = plan(&file, false, &[Path::new("a.jpg")]).unwrap();
        assert_eq!(annotations.targets, std::slice::from_ref(&file));
        refused(
            &file,
            false,
            &[Path::new("a.jpg"), Path::new("b.jpg")],
            "2 pictures",
        );

        let drawn = folder.path().join("drawn");
        let latin1 = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9.jpg"));
        let pictures = [Path::new("x/a.jpg"), Path::new("y/a.png"), latin1];
        let annotations = plan(&drawn, false, &pictures).unwrap();
        let names = [b"a.png".as_slice(), b"a-2.png", b"caf\xe9.png"];
        assert_eq!(
            annotations.targets,
            names.map(|name| drawn.join(std::ffi::OsStr::from_bytes(name)))
        );
        assert!(drawn.is_dir());
    }

    #[test]
    fn a_picture_is_never_a_target_by_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("shot.png"), "original").unwrap();
        std::os::unix::fs::symlink(at("shot.png"), at("link.png")).unwrap();
        fs::hard_link(at("shot.png"), at("hard.png")).unwrap();
        fs::create_dir(at("sub")).unwrap();
        for force in [false, true] {
            for target in ["shot.png", "link.png", "hard.png", "sub/../shot.png"] {
                refused(&at(target), force, &[&at("shot.png")], "never overwritten");
            }
            // The copy of the first would be read as the second.
            let pictures = [&*at("shot.jpg"), &*at("shot.png")];
            refused(folder.path(), force, &pictures, "shot.png is one of the pictures");
            let pictures = [&*at("new.jpg"), &*at("new.png")];
            refused(folder.path(), force, &pictures, "new.png is one of the pictures");
        }
        assert_eq!(fs::read_to_string(at("shot.png")).unwrap(), "original");
    }

    #[test]
    fn an_existing_file_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.png");
        fs::write(&file, "something else").unwrap();
        refused(&file, false, &[Path::new("a.jpg")], "exists; --force");
        let image = RgbImage::new(2, 1);
        let forced = plan(&file, true, &[Path::new("a.jpg")]).unwrap();
        forced.write(0, &image).unwrap();
        assert_eq!(image::open(&file).unwrap().into_rgb8(), image);

        // A file that appears between the check and the write is kept.
        fs::remove_file(&file).unwrap();
        let planned = plan(&file, false, &[Path::new("a.jpg")]).unwrap();
        fs::write(&file, "something else").unwrap();
        let error = format!("{:#}", planned.write(0, &image).unwrap_err());
        assert!(error.contains("out.png"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "something else");
    }
}
