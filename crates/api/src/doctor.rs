use serde::{Deserialize, Serialize};

/// What an examination found.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DoctorView {
    /// The worst level among the findings.
    pub level: Level,
    /// What was looked at, in order.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Which kind of trouble it is; `null` where all is well.
    pub trouble: Option<Trouble>,
    /// What was looked at, in a word or two.
    pub about: String,
    /// What was found.
    pub found: String,
    /// How to mend it; `null` where there is nothing to mend.
    pub next: Option<String>,
}

/// How bad a finding is.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could.
    Warn,
    /// Does not work.
    Fail,
}

/// Declares the kinds, each once, and a list of them all.
macro_rules! troubles {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// The kinds of trouble, by which programs tell findings apart.
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Trouble {
            $($(#[$doc])* $kind,)*
        }

        impl Trouble {
            /// All of them, in the order in which they are looked for.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];
        }
    };
}

troubles! {
    /// The clock shows a time that cannot be.
    ClockWrong,
    /// The clock was not that of a provider.
    ClockSkewed,
    /// A crash may write secrets to the disk.
    CoreDumps,
    /// There is no configuration.
    NotConfigured,
    /// The configuration cannot be used.
    BadConfiguration,
    /// Others may write to the configuration.
    ConfigurationOpen,
    /// A variable of Vestal's means nothing.
    UnknownVariable,
    /// The environment names a proxy, which is not used.
    ProxyIgnored,
    /// The process may have few files open.
    FewOpenFiles,
    /// The certificate authorities cannot be used.
    BadAuthorities,
    /// A user's own files about providers cannot be used.
    BadProviderFiles,
    /// The master key cannot be had, or not by this user alone.
    NoMasterKey,
    /// The store lies on a network file system.
    NetworkDisk,
    /// The store lies where nothing lasts.
    FleetingDisk,
    /// The disk has little room left.
    DiskFull,
    /// Others may write to the store's folder.
    FolderOpen,
    /// Others may read or write the store's files.
    StoreOpen,
    /// There is no store yet.
    NoStore,
    /// The store was written by a newer version.
    StoreNewer,
    /// The store was written by an older version.
    StoreOlder,
    /// The store cannot be opened.
    BadStore,
    /// The store was sealed with another master key.
    OtherKey,
    /// The newest master key does not seal the store yet.
    RotationBegun,
    /// The store cannot be written.
    StoreReadOnly,
    /// No folder, or not the first one, takes answers that the store does not take.
    NoJournal,
    /// Those answers would lie where nothing lasts.
    FleetingJournal,
    /// Answers wait for the store.
    AnswersWait,
    /// Such answers are damaged, or cannot be read.
    AnswersDamaged,
    /// A client cannot be used.
    BadClient,
    /// A provider refuses a client.
    ClientRefused,
    /// Another program listens where a consent comes back to.
    RedirectTaken,
    /// Connections need a person.
    NeedReauth,
    /// Connections are failing.
    Failing,
    /// Nothing renews the access tokens of connections.
    NotRenewable,
    /// Something that is stored cannot be unsealed.
    Sealed,
    /// Where a connection's provider is, is not known, or is nowhere that its file allows.
    NoPlace,
    /// Something that is stored makes no sense.
    Damaged,
    /// Two connections hold the same refresh token.
    SharedRefreshToken,
    /// An endpoint of a client has ended.
    EndpointEnded,
    /// An endpoint, or something else of a provider, is going to end.
    Ends,
    /// As many connections as the provider keeps refresh tokens, or nearly.
    CapNear,
    /// The refreshes do not fit into the provider's quota.
    QuotaShort,
    /// Grants end at an age, whatever is done.
    GrantsEnd,
    /// A refresh is long due.
    Overdue,
    /// Nobody keeps to the schedule.
    NobodyKeeps,
    /// Nobody would notice if nobody kept to it.
    NoHeartbeat,
    /// A file that is to hold a token cannot be written.
    FileUnwritable,
    /// A file that holds a token is open to others.
    FileOpen,
    /// A file holds another token than the connection's.
    FileStale,
    /// A file is for a connection that there is not.
    FileForNobody,
}

impl From<Vec<Finding>> for DoctorView {
    fn from(findings: Vec<Finding>) -> Self {
        let level = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
        Self { level, findings }
    }
}
