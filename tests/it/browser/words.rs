//! The words of the pages: tests ask for them by key, so that an editor may choose better ones.

use toml::Table;

/// One language of one face of the house.
pub struct Words {
    /// Its tag.
    pub lang: &'static str,
    table: Table,
}

impl Words {
    /// The public desk's.
    pub fn of_the_desk(lang: &'static str) -> Self {
        let (ja, en) = (
            include_str!("../../../services/door/texts/ja.toml"),
            include_str!("../../../services/door/texts/en.toml"),
        );
        Self::read(lang, if lang == "ja" { ja } else { en })
    }
    /// The console's.
    pub fn of_the_console(lang: &'static str) -> Self {
        let (ja, en) = (
            include_str!("../../../services/console/texts/ja.toml"),
            include_str!("../../../services/console/texts/en.toml"),
        );
        Self::read(lang, if lang == "ja" { ja } else { en })
    }
    fn read(lang: &'static str, toml: &str) -> Self {
        Self { lang, table: toml.parse().unwrap() }
    }
    /// The text of `group.key`.
    pub fn t(&self, key: &str) -> &str {
        let mut parts = key.split('.');
        let group = parts.next().and_then(|group| self.table.get(group));
        let found = parts.fold(group, |at, part| at.and_then(|at| at.get(part)));
        found.and_then(|text| text.as_str()).unwrap_or_else(|| panic!("{} has no text `{key}`", self.lang))
    }
}
