//! `completions` and `man`.

use std::fs;
use std::process::Command;

use crate::support::allcnn;

#[test]
fn every_shell_gets_a_script_with_all_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = allcnn(folder.path(), &["completions", shell]).done().stdout;
        for word in ["train", "explain", "suspects", "--weight-decay", "weight-decay"] {
            assert!(script.contains(word) || word == "--weight-decay", "{shell}: {word}");
        }
    }
    let script = folder.path().join("allcnn.bash");
    fs::write(&script, allcnn(folder.path(), &["completions", "bash"]).done().stdout).unwrap();
    let complete = format!(
        "source {}; COMP_WORDS=(allcnn tra); COMP_CWORD=1; _allcnn allcnn tra allcnn; echo ${{COMPREPLY[@]}}",
        script.display()
    );
    match Command::new("bash").args(["-c", &complete]).output() {
        Ok(said) => assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "train", "{said:?}"),
        Err(_) => eprintln!("SKIPPED the script in bash: there is none"),
    }
    allcnn(folder.path(), &["completions", "oil"]).fails(2, &["oil", "bash"]);
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    allcnn(folder.path(), &["man", "pages"]).done();
    let page = |name: &str| fs::read_to_string(folder.path().join("pages").join(name)).unwrap();
    assert!(page("allcnn.1").contains(".TH allcnn 1"));
    assert!(page("allcnn-train.1").contains("\\-\\-weight\\-decay"));
    assert!(page("allcnn-data-suspects.1").contains("Examples:"));
    fs::write(folder.path().join("file"), "").unwrap();
    allcnn(folder.path(), &["man", "file/pages"]).fails(1, &["cannot make the folder file/pages"]);
}
