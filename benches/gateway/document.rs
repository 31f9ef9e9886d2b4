//! Text in documents that this program writes: what stands between two markers.

use std::fs;
use std::path::{Path, PathBuf};

/// In the repository's folder of documents.
pub fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(file)
}

/// Writes the text in place of what stands between `<!-- NAME -->` and `<!-- /NAME -->`.
pub fn replace(file: &str, name: &str, text: &str) {
    let path = path(file);
    let old = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let missing = || panic!("{} has no {}", path.display(), begin.trim());
    let (before, rest) = old.split_once(&begin).unwrap_or_else(missing);
    let (_, after) = rest.split_once(&end).unwrap_or_else(missing);
    let new = format!("{before}{begin}\n{}\n\n{end}{after}", text.trim());
    fs::write(path, new).unwrap();
}
