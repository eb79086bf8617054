//! The program's image: an index of one image a platform, made of nothing but the programs' bytes,
//! so that the same programs have the same digest at every deployment.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The program's name in the package and at the root of its image.
pub(crate) const PROGRAM: &str = "esclusa-host";

/// Architectures: the folder in the package, and OCI's word.
const ARCHITECTURES: [(&str, &str); 2] = [("aarch64", "arm64"), ("x86_64", "amd64")];

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Why no image could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("cannot read `{path}`")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{programs}` holds no program: build the layer HostPrograms with `sam build`")]
    Empty { programs: PathBuf },
    #[error("cannot pack the program")]
    Pack(#[source] io::Error),
}

/// Bytes with their type and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) media_type: &'static str,
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
}

/// The image of one platform.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) architecture: &'static str,
    pub(crate) layer: Blob,
    pub(crate) config: Blob,
    pub(crate) manifest: Blob,
}

/// The program for every platform.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) images: Vec<Image>,
    pub(crate) manifest: Blob,
    pub(crate) tag: String,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { media_type, digest: digest_of(&bytes), bytes }
    }

    fn of_json(media_type: &'static str, value: &Value) -> Self {
        Self::new(media_type, value.to_string().into_bytes())
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

impl Image {
    fn pack(architecture: &'static str, program: &[u8]) -> io::Result<Self> {
        let tar = archive(program)?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&tar)?;
        let layer = Blob::new(LAYER, packed.finish()?);
        let labels = json!({
            "org.opencontainers.image.title": PROGRAM,
            "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        });
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Entrypoint": [format!("/{PROGRAM}")], "Labels": labels },
            "rootfs": { "type": "layers", "diff_ids": [digest_of(&tar)] },
        });
        let config = Blob::of_json(CONFIG, &config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
        });
        let manifest = Blob::of_json(MANIFEST, &manifest);
        Ok(Self { architecture, layer, config, manifest })
    }

    fn descriptor(&self) -> Value {
        let mut descriptor = self.manifest.descriptor();
        let platform = json!({ "os": "linux", "architecture": self.architecture });
        if let Some(members) = descriptor.as_object_mut() {
            members.insert("platform".to_owned(), platform);
        }
        descriptor
    }
}

impl Index {
    /// Makes the image of the programs in a folder: of both platforms, or of the one that is there,
    /// as on a machine that could not build for the other.
    ///
    /// # Errors
    ///
    /// When there is no program, or one cannot be read.
    pub(crate) fn read(programs: &Path) -> Result<Self, ImageError> {
        let mut images = Vec::new();
        for (folder, architecture) in ARCHITECTURES {
            let path = programs.join(folder).join(PROGRAM);
            match std::fs::read(&path) {
                Ok(program) => {
                    images.push(Image::pack(architecture, &program).map_err(ImageError::Pack)?);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ImageError::Read { path, source }),
            }
        }
        if images.is_empty() {
            return Err(ImageError::Empty { programs: programs.to_owned() });
        }
        let manifests: Vec<Value> = images.iter().map(Image::descriptor).collect();
        let manifest = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let manifest = Blob::of_json(INDEX, &manifest);
        let short: String = manifest.digest.chars().skip("sha256:".len()).take(12).collect();
        let tag = format!("{}-{short}", env!("CARGO_PKG_VERSION"));
        Ok(Self { images, manifest, tag })
    }
}

/// The program as the only file of an archive, without a time or an owner that could differ.
fn archive(program: &[u8]) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_path(PROGRAM)?;
    header.set_size(u64::try_from(program.len()).unwrap_or(u64::MAX));
    header.set_mode(0o755);
    header.set_mtime(0);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, program)?;
    archive.into_inner()
}

fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
