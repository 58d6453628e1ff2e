//! Pages into a file: PDF 1.7, PDF/A-2a and PDF/UA-1. The same letter gives the same bytes.

use crate::{
    content::{Letter, LetterError},
    layout::{Mark, Node, PAGE, Pages, Placed, Role, plain},
    shape::font,
};
use krilla::{
    Document, SerializeSettings,
    color::rgb,
    configure::{Accessibility, Archival, ConfigurationBuilder},
    destination::XyzDestination,
    geom::{PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    num::NormalizedF32,
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::{Fill, FillRule, Stroke},
    surface::Surface,
    tagging::{
        ArtifactType, ContentTag, Identifier, ListNumbering, Node as TagNode, SpanTag, TableHeaderScope, Tag, TagGroup,
        TagKind, TagTree,
    },
};
use std::num::NonZeroU16;

fn wrong(error: impl std::fmt::Debug) -> LetterError {
    LetterError::File(format!("{error:?}"))
}

/// The file.
pub(crate) fn file(letter: &Letter, pages: &Pages) -> Result<Vec<u8>, LetterError> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_A)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(wrong)?;
    let settings = SerializeSettings { configuration, enable_tagging: true, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    let mut ids: Vec<Vec<Identifier>> = vec![vec![]; pages.leaves.len()];
    let (mut sheets, mut marks) = (vec![vec![]; pages.count], vec![0; pages.leaves.len()]);
    for placed in &pages.marks {
        sheets[placed.page].push(placed);
        if let Some(leaf) = placed.leaf {
            marks[leaf] += 1;
        }
    }
    // A part of a text that goes on elsewhere would be said whole each time.
    let written = |leaf: usize, piece: usize| pages.leaves[leaf].original.as_deref().filter(|_| marks[leaf] == piece);
    for sheet in sheets {
        let setting = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| LetterError::File("page".to_owned()))?;
        let mut page = document.start_page_with(setting);
        let mut surface = page.surface();
        draw(&mut surface, pages, &sheet, &written, &mut ids);
        surface.finish();
        page.finish();
    }
    let mut outline = Outline::new();
    outline.push_child(OutlineNode::new(plain(&letter.title), XyzDestination::new(0, Point::from_xy(0.0, 0.0))));
    document.set_outline(outline);
    document.set_metadata(metadata(letter));
    let mut tree = TagTree::new().with_lang(Some(letter.lang.tag().to_owned()));
    for node in &pages.tree {
        for tag in nodes(node, &mut ids) {
            tree.push(tag);
        }
    }
    document.set_tag_tree(tree);
    document.finish().map_err(wrong)
}

fn metadata(letter: &Letter) -> Metadata {
    let all = Metadata::new()
        .title(plain(&letter.title))
        .language(letter.lang.tag().to_owned())
        .creator("Madoguchi".to_owned())
        .authors(letter.from.iter().map(|from| plain(&from.name)).collect());
    let number = |n: i8| u8::try_from(n).unwrap_or(1);
    let (year, day) = (u16::try_from(letter.date.year()).unwrap_or(1), letter.date);
    all.creation_date(DateTime::new(year).month(number(day.month())).day(number(day.day())))
}

/// One page; what stands together under one leaf is one piece of content. `written` is what a whole leaf was written as.
fn draw<'a>(
    surface: &mut Surface<'_>,
    pages: &Pages,
    sheet: &[&Placed],
    written: &impl Fn(usize, usize) -> Option<&'a str>,
    ids: &mut [Vec<Identifier>],
) {
    for piece in sheet.chunk_by(|a, b| a.leaf == b.leaf) {
        match piece[0].leaf {
            Some(leaf) => {
                let tag = SpanTag::empty().with_lang(Some(pages.leaves[leaf].lang.tag()));
                let tag = tag.with_actual_text(written(leaf, piece.len()));
                ids[leaf].push(surface.start_tagged(ContentTag::Span(tag)));
            }
            None => {
                let kind = krilla::tagging::Artifact::with_kind(ArtifactType::Other);
                surface.start_tagged(ContentTag::Artifact(kind));
            }
        }
        for placed in piece {
            mark(surface, &placed.mark);
        }
        surface.end_tagged();
    }
}

fn black() -> Fill {
    Fill { paint: rgb::Color::black().into(), opacity: NormalizedF32::ONE, rule: FillRule::NonZero }
}

fn stroke(width: f32) -> Stroke {
    Stroke { paint: rgb::Color::black().into(), width, ..Stroke::default() }
}

fn mark(surface: &mut Surface<'_>, mark: &Mark) {
    match mark {
        Mark::Text { at, size, text, glyphs } => {
            surface.set_stroke(None);
            surface.set_fill(Some(black()));
            let point = Point::from_xy(at.0, at.1);
            surface.draw_glyphs(point, &text.glyphs[glyphs.clone()], font(text.weight), &text.text, *size, false);
        }
        Mark::Rule { from, to, width } => {
            let mut path = PathBuilder::new();
            path.move_to(from.0, from.1);
            path.line_to(to.0, to.1);
            outlined(surface, path, *width);
        }
        Mark::Frame { at: (x, y, width, height) } => {
            let mut path = PathBuilder::new();
            if let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) {
                path.push_rect(rect);
            }
            outlined(surface, path, 0.8);
        }
        Mark::Qr { at, side, dark, across } => {
            #[allow(clippy::cast_precision_loss)] // at most 177
            let module = side / *across as f32;
            let mut path = PathBuilder::new();
            for (n, _) in dark.iter().enumerate().filter(|(_, dark)| **dark) {
                #[allow(clippy::cast_precision_loss)] // at most 177
                let (column, row) = ((n % across) as f32, (n / across) as f32);
                let corner = (at.0 + column * module, at.1 + row * module);
                if let Some(rect) = Rect::from_xywh(corner.0, corner.1, module, module) {
                    path.push_rect(rect);
                }
            }
            surface.set_stroke(None);
            surface.set_fill(Some(black()));
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
    }
}

fn outlined(surface: &mut Surface<'_>, path: PathBuilder, width: f32) {
    surface.set_fill(None);
    surface.set_stroke(Some(stroke(width)));
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
}

fn kind(role: &Role) -> TagKind {
    let level = |n| NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN);
    match role {
        Role::Paragraph => Tag::P.into(),
        Role::Title(text) => Tag::Hn(level(1), Some(text.clone())).into(),
        Role::Heading(text) => Tag::Hn(level(2), Some(text.clone())).into(),
        Role::List => Tag::L(ListNumbering::None).into(),
        Role::Item => Tag::LI.into(),
        Role::ItemBody => Tag::LBody.into(),
        Role::Table => Tag::Table.into(),
        Role::Row => Tag::TR.into(),
        Role::HeadCell => Tag::TH(TableHeaderScope::Column).into(),
        Role::LabelCell => Tag::TH(TableHeaderScope::Row).into(),
        Role::Cell => Tag::TD.into(),
        Role::Figure(words) => Tag::Figure(Some(words.clone())).into(),
    }
}

fn nodes(node: &Node, ids: &mut [Vec<Identifier>]) -> Vec<TagNode> {
    match node {
        Node::Leaf(leaf) => std::mem::take(&mut ids[*leaf]).into_iter().map(TagNode::from).collect(),
        Node::Group(role, children) => {
            let children = children.iter().flat_map(|child| nodes(child, ids)).collect();
            vec![TagGroup::with_children(kind(role), children).into()]
        }
    }
}
