"""What users prefer, as they write it down: a TOML file each, in the home's `preferences` folder.

    # ann.toml
    user = "ann@example.com"        # whose it is; `owner.toml` is the owner's, and needs no `user`
    timezone = "Europe/Berlin"
    wants_mail = true
    quiet_hours = "22:00-07:30"     # "" for none

    [channels.sms]
    address = "+4915112345678"
    wanted = false
    [channels.slack]
    notices = true                  # what Steward noticed is told here, too: events, mail, syncs
    mail_notices = false            # ... but for important mail

What a file leaves out stays as it is.

preference.py    Preference: what one file says, and what is wrong with it
preferences.py   PreferenceSync: reads the files, and applies them to the users
synced.py        PreferencesSynced: what a sync did
"""

from app.services.preferences.preferences import PreferenceSync
from app.services.preferences.synced import PreferencesStatus, PreferencesSynced

__all__ = ["PreferenceSync", "PreferencesStatus", "PreferencesSynced"]
