//! What comes beside words: display pictures, emoticons, voice clips, winks, handwriting.
//!
//! Knows what is fetched, what is kept, and what our side gives. Refuses to know how bytes travel.

pub(in crate::connector) mod cache;
pub(in crate::connector) mod clip;
pub(in crate::connector) mod emoticon;
pub(in crate::connector) mod exchange;
pub(in crate::connector) mod own_picture;
pub(in crate::connector) mod voice;
pub(in crate::connector) mod wink;
