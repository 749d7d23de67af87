/*!
Which files belong together: pickles of texts, metadata, embeddings and ids with one prefix, and the FAISS index
whose vectors are theirs by position.
*/

use std::collections::BTreeMap;

use vecferry_faiss_format::is_index;
use vecferry_pickle_format::{HEAD_BYTES, Head};
use vecferry_sdk::{Claim, Host, Result};

use crate::words::{self, Role};

/// The files of one store, by what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// The store's name: the prefix of its files, or the one file's stem.
    pub(crate) name: String,
    pub(crate) texts: Option<String>,
    pub(crate) metadata: Option<String>,
    pub(crate) vectors: Option<String>,
    pub(crate) ids: Option<String>,
    /// A pickle whose name says nothing of what it holds.
    pub(crate) single: Option<String>,
    pub(crate) index: Option<String>,
}

/// A name of a set of files that says what they hold: nobody else uses such names for something else.
const NAMED_SET: u8 = 95;
/// One file with such a name.
const NAMED: u8 = 80;
/// A pickle and an index of one name.
const PAIR: u8 = 70;
/// Files of such names that do not start like pickles: the reason is found when they are read.
const DAMAGED: u8 = 60;
/// A pickle that starts like a list, a dict or an array.
const LIKELY: u8 = 40;
/// Anything else that calls itself a pickle: claimed so that pointing at it ends in a reason.
const GUESS: u8 = 5;

impl Files {
    /// The pickles, with what their names say they hold.
    pub(crate) fn pickles(&self) -> impl Iterator<Item = (Option<Role>, &str)> {
        let named = [
            (Some(Role::Texts), &self.texts),
            (Some(Role::Metadata), &self.metadata),
            (Some(Role::Vectors), &self.vectors),
            (Some(Role::Ids), &self.ids),
            (None, &self.single),
        ];
        named.into_iter().filter_map(|(role, name)| Some((role, name.as_deref()?)))
    }

    fn slot(&mut self, role: Role) -> &mut Option<String> {
        match role {
            Role::Texts => &mut self.texts,
            Role::Metadata => &mut self.metadata,
            Role::Vectors => &mut self.vectors,
            Role::Ids => &mut self.ids,
        }
    }

    fn all(&self) -> Vec<String> {
        let mut files: Vec<String> = self.pickles().map(|(_, name)| name.to_owned()).collect();
        files.extend(self.index.clone());
        files.sort();
        files
    }
}

/// A file's name in parts.
#[derive(Clone, Debug)]
struct Named {
    full: String,
    folder: String,
    stem: String,
}

impl Named {
    fn of(full: &str) -> Option<(Named, String)> {
        let (folder, base) = full.rsplit_once('/').map_or(("", full), |(folder, base)| (folder, base));
        let (stem, ending) = base.rsplit_once('.')?;
        let named = Named { full: full.to_owned(), folder: folder.to_owned(), stem: stem.to_owned() };
        Some((named, ending.to_ascii_lowercase()))
    }
}

/// The files of a granted store that was detected before: the one set that they form.
pub(crate) fn granted(host: &Host) -> Result<Vec<Files>> {
    let mut found: Vec<Files> = Vec::new();
    for (_, pickles, indexes) in folders(host)? {
        found.extend(sets(&pickles, &indexes));
    }
    Ok(found)
}

/// The stores among the listed files.
pub(crate) fn claims(host: &Host) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for (folder, pickles, indexes) in folders(host)? {
        for mut files in sets(&pickles, &indexes) {
            let heads: Result<Vec<Head>> = files.pickles().map(|(_, name)| head(host, name)).collect();
            let confidence = confidence(&mut files, &heads?);
            let name = if folder.is_empty() { files.name.clone() } else { format!("{folder}/{}", files.name) };
            claims.push(Claim { name, confidence, files: files.all() });
        }
    }
    disambiguate(&mut claims);
    Ok(claims)
}

type Folder = (String, Vec<Named>, Vec<Named>);

/// Pickles and positional indexes, by folder.
fn folders(host: &Host) -> Result<Vec<Folder>> {
    let entries = host.list_files()?;
    let mut folders: BTreeMap<String, (Vec<Named>, Vec<Named>)> = BTreeMap::new();
    for entry in &entries {
        let Some((named, ending)) = Named::of(&entry.name) else { continue };
        let (pickles, indexes) = folders.entry(named.folder.clone()).or_default();
        match ending.as_str() {
            "pkl" | "pickle" | "pck" | "pcl" => pickles.push(named),
            "index" | "faiss" | "idx" if is_positional(host, &entry.name)? => indexes.push(named),
            _ => {}
        }
    }
    for (folder, (pickles, _)) in &mut folders {
        // A Chroma segment: its plugin reads it.
        let segment = format!("{folder}/data_level0.bin");
        if entries.iter().any(|entry| entry.name == segment) {
            pickles.retain(|named| named.stem != "index_metadata");
        }
    }
    Ok(folders.into_iter().map(|(folder, (pickles, indexes))| (folder, pickles, indexes)).collect())
}

fn head(host: &Host, name: &str) -> Result<Head> {
    Ok(Head::of(&host.open_file(name)?.read_at(0, HEAD_BYTES)?))
}

/// Whether a file is a FAISS index whose n-th vector is that of the n-th record, as it was added.
fn is_positional(host: &Host, name: &str) -> Result<bool> {
    let start = host.open_file(name)?.read_at(0, 4)?;
    Ok(is_index(&start) && matches!(start.as_slice(), b"IxF2" | b"IxFI" | b"IxFl" | b"IHNf"))
}

/// Groups the pickles of one folder.
fn sets(pickles: &[Named], indexes: &[Named]) -> Vec<Files> {
    let mut named: BTreeMap<String, Vec<(usize, Role, &Named)>> = BTreeMap::new();
    let mut out: Vec<Files> = Vec::new();
    for pickle in pickles {
        match words::stem(&pickle.stem) {
            Some((prefix, role, rank)) => named.entry(prefix).or_default().push((rank, role, pickle)),
            None => out.push(Files {
                name: pickle.stem.clone(),
                single: Some(pickle.full.clone()),
                index: indexes.iter().find(|index| index.stem == pickle.stem).map(|index| index.full.clone()),
                ..Files::default()
            }),
        }
    }
    for (prefix, mut members) in named {
        // Of two files for one role the more usual name wins; the other stands for itself.
        members.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.2.full.cmp(&b.2.full)));
        let mut files = Files::default();
        let mut stems: Vec<(Role, &str)> = Vec::new();
        for (_, role, pickle) in members {
            if files.slot(role).is_none() {
                *files.slot(role) = Some(pickle.full.clone());
                stems.push((role, &pickle.stem));
            } else {
                out.push(Files { name: pickle.stem.clone(), single: Some(pickle.full.clone()), ..Files::default() });
            }
        }
        if files.vectors.is_none() {
            files.index = index_for(&prefix, &stems, pickles, indexes);
        }
        let by_role = |role: Role| stems.iter().find(|(found, _)| *found == role).map(|(_, stem)| (*stem).to_owned());
        files.name = match prefix.is_empty() {
            true => [Role::Texts, Role::Metadata, Role::Vectors, Role::Ids]
                .into_iter()
                .find_map(by_role)
                .unwrap_or_default(),
            false => prefix,
        };
        out.push(files);
    }
    out
}

/// The index that goes with a set: that of the texts' own name, of another of its files, of its prefix; else the
/// only index of the folder, if its name is general and it belongs to no other pickle.
fn index_for(prefix: &str, stems: &[(Role, &str)], pickles: &[Named], indexes: &[Named]) -> Option<String> {
    let by_stem = |stem: &str| indexes.iter().find(|index| index.stem == stem);
    let texts = stems.iter().filter(|(role, _)| *role == Role::Texts);
    let own = texts.chain(stems.iter()).find_map(|(_, stem)| by_stem(stem));
    let prefixed = || {
        indexes.iter().find(|index| {
            let rest = index.stem.to_ascii_lowercase();
            let rest = rest.strip_prefix(prefix).map(|rest| rest.trim_start_matches(['_', '-', '.', ' ']));
            !prefix.is_empty() && rest.is_some_and(|rest| rest.is_empty() || words::is_general_index(rest))
        })
    };
    let only = || {
        let free: Vec<&Named> =
            indexes.iter().filter(|index| !pickles.iter().any(|pickle| pickle.stem == index.stem)).collect();
        match free.as_slice() {
            [only] if prefix.is_empty() && words::is_general_index(&only.stem) => Some(*only),
            _ => None,
        }
    };
    own.or_else(prefixed).or_else(only).map(|index| index.full.clone())
}

/// How sure. A pickle of no telling name that does not start like data gives up its index: were the index's own
/// plugin surer of it, nobody would say what is wrong with the pickle.
fn confidence(files: &mut Files, heads: &[Head]) -> u8 {
    if files.single.is_none() {
        let several = heads.len() > 1 || files.index.is_some();
        return match heads.contains(&Head::NotAPickle) {
            false if several => NAMED_SET,
            false => NAMED,
            true => DAMAGED,
        };
    }
    let likely = heads.iter().all(|head| match head {
        Head::List | Head::Dict => true,
        Head::Object(name) => name.starts_with("numpy"),
        _ => false,
    });
    match (likely, files.index.is_some()) {
        (true, true) => PAIR,
        (true, false) => LIKELY,
        (false, _) => {
            files.index = None;
            GUESS
        }
    }
}

/// Names must be unique: where two are alike, the first file's name says which.
fn disambiguate(claims: &mut [Claim]) {
    let names: Vec<String> = claims.iter().map(|claim| claim.name.clone()).collect();
    for claim in claims.iter_mut() {
        if names.iter().filter(|name| **name == claim.name).count() > 1
            && let Some(first) = claim.files.first()
        {
            claim.name.clone_from(first);
        }
    }
}
