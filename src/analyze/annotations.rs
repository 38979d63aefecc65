//! Where annotated pictures are written. Every target is determined and checked before the first picture is
//! read.

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    fs::{self, Permissions},
    io::{Cursor, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use image::{ImageFormat, RgbImage};
use tempfile::Builder;

use super::AnnotateOptions;
use crate::{
    error::{Exit, Failure},
    text,
};

/// Extensions of the formats that can be written.
const WRITABLE: [&str; 3] = ["png", "jpg", "jpeg"];

/// The target of each picture, in the order of the pictures.
#[derive(Debug)]
pub(super) struct Annotations {
    targets: Vec<PathBuf>,
    force: bool,
    /// The files written so far.
    written: HashSet<FileId>,
}

impl Annotations {
    /// Creates the folder for the targets of `pictures` if it is missing, and determines them.
    ///
    /// # Errors
    /// [`Exit::Usage`] if a target is one of the pictures under any name, if it exists and
    /// [`AnnotateOptions::force`] is not set or it is no file, or if the folder cannot be created.
    pub(super) fn plan(options: &AnnotateOptions, pictures: &[PathBuf]) -> Result<Self, Failure> {
        let AnnotateOptions { path, force } = options;
        let refuse =
            |reason: String| Failure::new(Exit::Usage, anyhow!("--annotate {}: {reason}", text::path(path)));
        let is_file = is_writable(path) && !path.is_dir();
        if is_file && pictures.len() > 1 {
            return Err(refuse(format!(
                "one file cannot hold {} pictures; allowed: a .png or .jpg file for one picture, or a folder",
                pictures.len()
            )));
        }
        let targets = if is_file {
            if !folder_of(path).is_dir() {
                return Err(refuse(format!(
                    "there is no folder {}",
                    text::path(folder_of(path))
                )));
            }
            vec![path.clone()]
        } else {
            // First, because files are identified by existing folders.
            fs::create_dir_all(path).map_err(|error| {
                refuse(format!(
                    "cannot be created: {error}; allowed: a .png or .jpg file for one picture, or a folder"
                ))
            })?;
            targets_in(path, pictures)
        };
        let inputs: HashSet<FileId> = pictures
            .iter()
            .filter_map(|picture| FileId::of(picture))
            .collect();
        for target in &targets {
            let shown = text::path(target);
            if FileId::of(target).is_some_and(|id| inputs.contains(&id)) {
                return Err(refuse(format!(
                    "{shown} is one of the pictures, which are never overwritten"
                )));
            }
            let Ok(existing) = target.symlink_metadata() else {
                continue;
            };
            if !force {
                return Err(refuse(format!("{shown} exists; --force overwrites it")));
            }
            if !existing.is_file() && !existing.is_symlink() {
                return Err(refuse(format!(
                    "{shown} is not a file, so it cannot be overwritten"
                )));
            }
        }
        Ok(Self {
            targets,
            force: *force,
            written: HashSet::new(),
        })
    }

    /// Whether `path` names a file that was written here. Such a file is not to be analyzed, although it may
    /// have had another name, or no content, when the targets were checked.
    pub(super) fn is_written(&self, path: &Path) -> bool {
        FileId::of(path).is_some_and(|id| self.written.contains(&id))
    }

    /// Writes the annotated copy of the picture with this index. A link is replaced, not followed.
    ///
    /// # Errors
    /// If it cannot be encoded or written; an existing file is then unchanged.
    pub(super) fn write(&mut self, index: usize, image: &RgbImage) -> anyhow::Result<()> {
        let target = &self.targets[index];
        let context = || format!("cannot write {}", text::path(target));
        let mut encoded = Cursor::new(Vec::new());
        let format = ImageFormat::from_path(target).with_context(context)?;
        image.write_to(&mut encoded, format).with_context(context)?;
        let mut file = Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder_of(target))
            .with_context(context)?;
        file.write_all(encoded.get_ref()).with_context(context)?;
        let persisted = if self.force {
            file.persist(target)
        } else {
            // Also refuses a file that was created after the check.
            file.persist_noclobber(target)
        };
        persisted.map_err(|error| error.error).with_context(context)?;
        self.written.extend(FileId::of(target));
        Ok(())
    }
}

/// The folder that holds the file `path`.
fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn is_writable(path: &Path) -> bool {
    // `a.jpg/` is a folder.
    let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    let extension = path
        .extension()
        .filter(|_| !is_folder)
        .and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| WRITABLE.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The path of each picture's PNG file in `folder`, numbered if two pictures have the same name.
fn targets_in(folder: &Path, pictures: &[PathBuf]) -> Vec<PathBuf> {
    let mut taken = HashSet::new();
    // The number that the next picture of each name gets, so that thousands of one name take no longer than
    // others.
    let mut numbers: HashMap<&OsStr, u32> = HashMap::new();
    let mut targets = Vec::with_capacity(pictures.len());
    for picture in pictures {
        // As bytes, because names need not be UTF-8.
        let stem = picture.file_stem().unwrap_or_default();
        let named = |suffix: &str| {
            let mut name = OsString::from(stem);
            name.push(suffix);
            folder.join(name)
        };
        let next = numbers.entry(stem).or_insert(2);
        let mut target = named(".png");
        while !taken.insert(target.clone()) {
            target = named(&format!("-{next}.png"));
            *next += 1;
        }
        targets.push(target);
    }
    targets
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
        let folder = folder_of(path).canonicalize().ok()?;
        Some(Self::Missing(folder.join(path.file_name()?)))
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
    fn a_file_written_here_is_known_by_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // Neither the folder nor what the link names exists yet.
        std::os::unix::fs::symlink(at("new/a.png"), at("later.jpg")).unwrap();
        let mut annotations = plan(&at("new"), false, &[&at("a.jpg"), &at("later.jpg")]).unwrap();
        assert!(!annotations.is_written(&at("later.jpg")));
        annotations.write(0, &RgbImage::new(2, 1)).unwrap();
        assert!(annotations.is_written(&at("later.jpg")));
        assert!(!annotations.is_written(&at("a.jpg")));
        // In a new folder, a later picture is refused as in an existing one.
        let pictures = [&*at("a.jpg"), &*at("newer/a.png")];
        refused(&at("newer"), false, &pictures, "a.png is one of the pictures");
    }

    #[test]
    fn pictures_of_one_name_are_numbered() {
        let pictures: Vec<PathBuf> = (0..20_000).map(|n| format!("{n}/frame.jpg").into()).collect();
        let targets = targets_in(Path::new("out"), &pictures);
        assert_eq!(targets[0], Path::new("out/frame.png"));
        assert_eq!(targets[19_999], Path::new("out/frame-20000.png"));
        let pictures = ["a.jpg", "a-2.jpg", "b/a.jpg"].map(PathBuf::from);
        let names = ["out/a.png", "out/a-2.png", "out/a-3.png"].map(PathBuf::from);
        assert_eq!(targets_in(Path::new("out"), &pictures), names);
    }

    #[test]
    fn a_link_is_replaced_and_a_pipe_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink(at("other.png"), at("link.png")).unwrap();
        let mut annotations = plan(&at("link.png"), true, &[Path::new("a.jpg")]).unwrap();
        annotations.write(0, &RgbImage::new(2, 1)).unwrap();
        assert!(!at("other.png").exists());
        assert!(at("link.png").symlink_metadata().unwrap().is_file());
        let made = std::process::Command::new("mkfifo").arg(at("pipe.png")).status();
        assert!(made.unwrap().success());
        refused(&at("pipe.png"), true, &[Path::new("a.jpg")], "not a file");
        refused(
            &at("none/out.png"),
            true,
            &[Path::new("a.jpg")],
            "there is no folder",
        );
    }

    #[test]
    fn an_existing_file_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.png");
        fs::write(&file, "something else").unwrap();
        refused(&file, false, &[Path::new("a.jpg")], "exists; --force");
        let image = RgbImage::new(2, 1);
        let mut forced = plan(&file, true, &[Path::new("a.jpg")]).unwrap();
        forced.write(0, &image).unwrap();
        assert_eq!(image::open(&file).unwrap().into_rgb8(), image);

        // A file that appears between the check and the write is kept.
        fs::remove_file(&file).unwrap();
        let mut planned = plan(&file, false, &[Path::new("a.jpg")]).unwrap();
        fs::write(&file, "something else").unwrap();
        let error = format!("{:#}", planned.write(0, &image).unwrap_err());
        assert!(error.contains("out.png"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "something else");
    }
}
