//! The components that others stand on, and what each of those is given.
//!
//! Knows in which order they are made: each layer is given the one below. Refuses to do anything with them.

use std::sync::Arc;

use super::cache::Cache;
use super::config::MatrixConfig;
use super::encryption::Encryption;
use super::homeserver::{EventSender, Homeserver, MediaClient};
use super::inbound::{
    AnnotationInterpreter, EncryptedInterpreter, EventInterpreter, InboundContext, MAX_UNSAID,
    ManagementInterpreter, MembershipInterpreter, MessageInterpreter, TombstoneInterpreter,
};
use super::outbound::{
    Announcer, EmoticonUploader, EntrySender, FileUploader, MAX_COUNTED, NamePublisher, ProgressPublisher,
    ReceiptPublisher, Speakers, StatusReporter, TypingPublisher,
};
use super::profile::{
    BotProfile, DoublePuppets, GhostIds, GhostProfiles, OwnerAvatars, PresencePublisher, PresenceRecords,
    Showing, StatusFields,
};
use super::room::{
    AliasOf, DirectRooms, ManagementRooms, PortalRooms, RoomAdoption, RoomAliases, RoomCreator, RoomLevels,
    RoomMaker, RoomMembers, RoomRegistry, RoomStates, RoomUpgrades, SpaceOrganizer, SpaceQueue,
};
use crate::bridge::link::Links;
use crate::bridge::port::frontend::Permissions;
use crate::bridge::port::media::Media;
use crate::bridge::port::storage::Storage;

/// Shared by several components each.
pub(super) struct Components {
    pub(super) homeserver: Homeserver,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) ids: Arc<GhostIds>,
    pub(super) sender: Arc<EventSender>,
    pub(super) media: Arc<MediaClient>,
    pub(super) registry: Arc<RoomRegistry>,
    pub(super) profiles: Arc<GhostProfiles>,
    pub(super) avatars: Arc<OwnerAvatars>,
    pub(super) bot: Arc<BotProfile>,
    pub(super) puppets: Arc<DoublePuppets>,
    pub(super) presence: Arc<PresencePublisher>,
    pub(super) members: Arc<RoomMembers>,
    pub(super) aliases: Arc<RoomAliases>,
    pub(super) queue: Arc<SpaceQueue>,
    pub(super) rooms: Arc<PortalRooms>,
    pub(super) levels: Arc<RoomLevels>,
    pub(super) management: Arc<ManagementRooms>,
    pub(super) receipts: Arc<ReceiptPublisher>,
    pub(super) encryption: Arc<Encryption>,
}

impl Components {
    /// Nothing is sent yet.
    pub(super) fn new(
        config: &MatrixConfig,
        homeserver: Homeserver,
        storage: Arc<dyn Storage>,
        media: Arc<dyn Media>,
        alias_of: AliasOf,
    ) -> Self {
        let ids = Arc::new(GhostIds::new(config));
        let encryption = Encryption::new(config, homeserver.clone(), storage.clone(), ids.clone());
        let encryption = Arc::new(encryption);
        let sender = Arc::new(EventSender::new(homeserver.clone(), encryption.clone()));
        let media = Arc::new(MediaClient::new(config, homeserver.clone(), media));
        let registry = Arc::new(RoomRegistry::new(storage.clone()));
        let profiles = GhostProfiles::new(homeserver.clone(), ids.clone(), media.clone(), storage.clone());
        let profiles = Arc::new(profiles);
        let avatars = Arc::new(OwnerAvatars::new(homeserver.clone(), media.clone()));
        let bot = BotProfile::new(config, homeserver.clone(), media.clone(), storage.clone());
        let (bot, puppets) = (Arc::new(bot), Arc::new(DoublePuppets::new(homeserver.clone())));
        let showing = Showing {
            is_wanted: config.presence,
            fields: StatusFields::new(homeserver.clone(), config.status_field),
            records: PresenceRecords::new(storage.clone()),
        };
        let presence = Arc::new(PresencePublisher::new(
            showing,
            homeserver.clone(),
            ids.clone(),
            profiles.clone(),
            registry.clone(),
        ));
        let locks = profiles.locks();
        let members = RoomMembers::new(homeserver.clone(), registry.clone(), presence.clone(), locks);
        let members = Arc::new(members);
        let aliases = Arc::new(RoomAliases::new(config, homeserver.clone(), alias_of));
        let queue = Arc::<SpaceQueue>::default();
        let states = Arc::new(RoomStates {
            homeserver: homeserver.clone(),
            storage: storage.clone(),
            sender: sender.clone(),
            bot: bot.clone(),
            profiles: profiles.clone(),
            max_file: config.max_file,
        });
        let maker = RoomMaker {
            homeserver: homeserver.clone(),
            sender: sender.clone(),
            registry: registry.clone(),
            members: members.clone(),
            aliases: aliases.clone(),
            ids: ids.clone(),
            profiles: profiles.clone(),
            puppets: puppets.clone(),
            bot: bot.clone(),
            creator: RoomCreator::new(config, homeserver.clone(), aliases.clone()),
            states,
            direct: Arc::new(DirectRooms::new(homeserver.clone(), puppets.clone())),
            spaces: queue.clone(),
        };
        let rooms = Arc::new(PortalRooms::new(maker, storage.clone()));
        let levels = RoomLevels { homeserver: homeserver.clone(), sender: sender.clone() };
        let management = ManagementRooms::new(homeserver.clone(), ids.clone(), sender.clone(), rooms.clone());
        let management = Arc::new(management);
        let receipts = Arc::new(ReceiptPublisher::new(homeserver.clone(), config.receipts));
        Self {
            levels: Arc::new(levels),
            homeserver,
            storage,
            ids,
            sender,
            media,
            registry,
            profiles,
            avatars,
            bot,
            puppets,
            presence,
            members,
            aliases,
            queue,
            rooms,
            management,
            receipts,
            encryption,
        }
    }

    pub(super) fn adoption(&self) -> RoomAdoption {
        RoomAdoption {
            rooms: self.rooms.clone(),
            levels: self.levels.clone(),
            registry: self.registry.clone(),
        }
    }

    pub(super) fn spaces(&self, config: &MatrixConfig) -> SpaceOrganizer {
        SpaceOrganizer {
            is_wanted: config.spaces,
            server_name: config.server_name.clone(),
            homeserver: self.homeserver.clone(),
            sender: self.sender.clone(),
            storage: self.storage.clone(),
            registry: self.registry.clone(),
            members: self.members.clone(),
            aliases: self.aliases.clone(),
            puppets: self.puppets.clone(),
            bot: self.bot.clone(),
            queue: self.queue.clone(),
        }
    }

    pub(super) fn entries(&self, links: Option<Arc<Links>>) -> EntrySender {
        let speakers = Speakers::new(
            self.registry.clone(),
            self.members.clone(),
            self.profiles.clone(),
            self.sender.clone(),
            self.puppets.clone(),
            self.levels.clone(),
            self.encryption.clone(),
        );
        EntrySender {
            homeserver: self.homeserver.clone(),
            sender: self.sender.clone(),
            storage: self.storage.clone(),
            ids: self.ids.clone(),
            profiles: self.profiles.clone(),
            members: self.members.clone(),
            rooms: self.rooms.clone(),
            management: self.management.clone(),
            speakers,
            encryption: self.encryption.clone(),
            files: FileUploader { media: self.media.clone() },
            emoticons: EmoticonUploader { media: self.media.clone(), storage: self.storage.clone() },
            links,
        }
    }

    pub(super) fn status(&self, config: &MatrixConfig) -> StatusReporter {
        StatusReporter {
            sends_events: config.status_events,
            storage: self.storage.clone(),
            ids: self.ids.clone(),
            registry: self.registry.clone(),
            sender: self.sender.clone(),
            receipts: self.receipts.clone(),
            counted: Cache::new(MAX_COUNTED),
        }
    }

    pub(super) fn typing(&self) -> TypingPublisher {
        let (registry, profiles) = (self.registry.clone(), self.profiles.clone());
        TypingPublisher::new(self.homeserver.clone(), registry, profiles, self.members.clone())
    }

    pub(super) fn progress(&self) -> ProgressPublisher {
        ProgressPublisher::new(self.registry.clone(), self.sender.clone())
    }

    pub(super) fn names(&self) -> NamePublisher {
        NamePublisher {
            ids: self.ids.clone(),
            presence: self.presence.clone(),
            profiles: self.profiles.clone(),
            registry: self.registry.clone(),
            rooms: self.rooms.clone(),
        }
    }

    pub(super) fn announcer(&self) -> Announcer {
        Announcer { registry: self.registry.clone(), sender: self.sender.clone() }
    }

    pub(super) fn interpreter(
        &self,
        permissions: Arc<dyn Permissions>,
        media: Arc<dyn Media>,
        links: Option<Arc<Links>>,
    ) -> EventInterpreter {
        let context = Arc::new(InboundContext {
            homeserver: self.homeserver.clone(),
            permissions,
            ids: self.ids.clone(),
            sender: self.sender.clone(),
            registry: self.registry.clone(),
            members: self.members.clone(),
            rooms: self.rooms.clone(),
            management: self.management.clone(),
            encryption: self.encryption.clone(),
            unsaid: Cache::new(MAX_UNSAID),
        });
        let upgrades = Arc::new(RoomUpgrades {
            homeserver: self.homeserver.clone(),
            sender: self.sender.clone(),
            registry: self.registry.clone(),
            rooms: self.rooms.clone(),
            levels: self.levels.clone(),
        });
        let management = Arc::new(ManagementInterpreter { context: context.clone() });
        EventInterpreter {
            presence: self.presence.clone(),
            messages: MessageInterpreter::new(context.clone(), management.clone(), media),
            memberships: MembershipInterpreter {
                context: context.clone(),
                management: management.clone(),
                avatars: self.avatars.clone(),
                upgrades: upgrades.clone(),
            },
            tombstones: TombstoneInterpreter { upgrades },
            annotations: AnnotationInterpreter::new(context.clone(), links),
            management,
            encrypted: EncryptedInterpreter { context: context.clone() },
            context,
        }
    }
}
