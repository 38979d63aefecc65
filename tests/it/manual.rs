//! The packaged manual pages and completions match the command line. `make manual` regenerates them.

use std::{collections::BTreeMap, env, fs, io::Write as _, path::PathBuf};

use affectd::cmd::Cli;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

/// Contents of the files in one folder, by file name.
type Files = BTreeMap<String, String>;

/// The command line as documented: without clap's `help` command, which only repeats the pages.
fn command() -> Command {
    Cli::command().disable_help_subcommand(true)
}

/// One page for the program and one for each command.
fn pages() -> Files {
    let folder = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(command(), folder.path()).unwrap();
    let mut pages: Files = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    pages.insert("affectd.1".to_owned(), main_page());
    pages
}

/// The program's page; the text after its options is preformatted, because it has columns.
fn main_page() -> String {
    let man = Man::new(command());
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_subcommands_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    let after = command().get_after_long_help().unwrap().to_string();
    for line in after.lines().filter(|line| !line.is_empty()) {
        match line.strip_suffix(':') {
            Some(heading) if !line.starts_with(' ') => {
                writeln!(page, ".fi\n.SH {}\n.nf", heading.to_uppercase()).unwrap();
            }
            _ => {
                let text = line.replace('\\', "\\e").replace('-', "\\-");
                // Remove two columns of indentation, since the page is indented. \& prevents a leading dot
                // from being read as a request.
                writeln!(page, "\\&{}", text.strip_prefix("  ").unwrap_or(&text)).unwrap();
            }
        }
    }
    page.extend_from_slice(b".fi\n");
    String::from_utf8(page).unwrap()
}

/// One file for each shell, with the name that the shell's completion folder requires.
fn completions() -> Files {
    [
        (Shell::Bash, "affectd"),
        (Shell::Fish, "affectd.fish"),
        (Shell::Zsh, "_affectd"),
    ]
    .into_iter()
    .map(|(shell, name)| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), "affectd", &mut script);
        (name.to_owned(), String::from_utf8(script).unwrap())
    })
    .collect()
}

/// Compares a folder of the package with its expected files, or writes them if `WRITE_MANUAL` is set.
fn compare(folder: &str, expected: &Files) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("cross/package")
        .join(folder);
    if env::var_os("WRITE_MANUAL").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in expected {
            fs::write(folder.join(name), text).unwrap();
        }
        return;
    }
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, expected.keys().cloned().collect::<Vec<_>>());
    for (name, text) in expected {
        let path = folder.join(name);
        assert_eq!(
            &fs::read_to_string(&path).unwrap(),
            text,
            "{} is old: run `make manual`",
            path.display()
        );
    }
}

#[test]
fn manual_pages_are_those_of_the_command_line() {
    compare("man", &pages());
}

#[test]
fn completions_are_those_of_the_command_line() {
    compare("completions", &completions());
}
