"""Every key that Distribution reads, by major version: data, so that a new version is a change of this table.

Sources: for 2.8 `configuration/configuration.go` at v2.8.2 and the readers of the free-form sections (storage drivers,
`registry/handlers/app.go`, `registry/auth/*`); for 3 what differs from that at v3.0.0 and v3.1.1. Facts 1, 2, 8, 9.
A live test compares the table of 2.8 with the real binary.

A line is a section and its keys. `.` is the top level, `[]` a list's items, `key.*` a key with anything below it,
`key?` a boolean, `!key` one that a free section does not have. Drivers of clouds change from release to release, so
those of 3 may have anything; section names alone are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

_BOTH = """
. version loglevel
log level formatter fields.*
log.accesslog disabled?
log.hooks[] disabled? type levels
log.hooks[].options from to
log.hooks[].options.smtp addr username password insecure?
storage.filesystem rootdirectory maxthreads
storage.inmemory
storage.delete enabled?
storage.redirect disable?
storage.cache blobdescriptor layerinfo
storage.maintenance.uploadpurging enabled? age interval dryrun?
storage.maintenance.readonly enabled?
auth none.*
auth.htpasswd realm path
auth.token realm service issuer rootcertbundle autoredirect?
auth.silly realm service
middleware.registry[] name disabled? options.*
middleware.repository[] name disabled? options.*
middleware.storage[] name disabled? options.*
http addr net host prefix secret relativeurls? draintimeout headers.*
http.tls certificate key clientcas minimumtls ciphersuites
http.tls.letsencrypt cachefile email hosts
http.debug addr
http.debug.prometheus enabled? path
http.http2 disabled?
notifications.events includereferences?
notifications.endpoints[] name disabled? url headers.* timeout threshold backoff ignoredmediatypes
notifications.endpoints[].ignore mediatypes actions
health.storagedriver enabled? interval threshold
health.file[] file interval threshold
health.http[] uri headers.* statuscode timeout interval threshold
health.tcp[] addr timeout interval threshold
catalog maxentries
proxy remoteurl username password
validation enabled? disabled?
validation.manifests.urls allow deny
policy.repository classes
"""
_ONLY_2 = """
storage.s3 accesskey secretkey region regionendpoint bucket encrypt keyid secure skipverify v4auth chunksize
storage.s3 multipartcopychunksize multipartcopymaxconcurrency multipartcopythresholdsize rootdirectory storageclass
storage.s3 useragent objectacl
storage s3aws.*
storage.azure accountname accountkey container realm
storage.gcs bucket keyfile credentials.* rootdirectory chunksize maxconcurrency
storage.oss accesskeyid accesskeysecret region bucket internal encrypt secure chunksize rootdirectory endpoint
storage swift.*
reporting.bugsnag apikey releasestage endpoint
reporting.newrelic licensekey name verbose?
redis addr password db dialtimeout readtimeout writetimeout
redis.pool maxidle maxactive idletimeout
compatibility.schema1 signingkeyfile enabled?
"""
_ONLY_3 = """
log reportcaller?
storage s3.* s3aws.* azure.* gcs.*
storage.cache blobdescriptorsize
storage.tag concurrencylimit
auth.token jwks signingalgorithms autoredirectpath
http.tls clientauth
http.tls.letsencrypt directoryurl
http.h2c enabled?
proxy ttl
proxy.exec command lifetime
validation.manifests.indexes platforms platformlist
tags maxtags
. redis.*
redis !addr !pool
"""
_TABLES = {2: (_BOTH, _ONLY_2), 3: (_BOTH, _ONLY_3)}
MAJORS = tuple(_TABLES)

NAMES = {2: "Distribution 2.8", 3: "Distribution 3"}


@dataclass(slots=True)
class Key:
    """What Distribution makes of a key; `items` are what the entries of a list hold."""

    keys: dict[str, Key] = field(default_factory=dict)
    items: Key | None = None
    absent: set[str] = field(default_factory=set)
    is_free: bool = False
    is_boolean: bool = False

    def at(self, path: str) -> Key:
        """The key at a dotted path below this one, made where it is not there yet."""
        found = self
        for name in path.split(".") if path != "." else ():
            found = found.keys.setdefault(name.removesuffix("[]"), Key())
            if name.endswith("[]"):
                found.items = found = found.items or Key()
        return found


@cache
def keys_of(majors: tuple[int, ...]) -> Key:
    """The keys that any of these versions knows, as the tree of a configuration."""
    root = Key()
    for table in dict.fromkeys(table for major in majors for table in _TABLES[major]):
        for line in table.strip().splitlines():
            path, *names = line.split()
            section = root.at(path)
            for name in names:
                if name.startswith("!"):
                    section.absent.add(name[1:])
                    continue
                key = section.at(name.removesuffix("?").removesuffix(".*"))
                key.is_boolean = key.is_boolean or name.endswith("?")
                key.is_free = key.is_free or name.endswith(".*")
    return root


def paths_to(name: str, key: Key, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where below `key` there is one of a name; lists are not looked into."""
    found = [(*path, name)] if name in key.keys else []
    return found + [place for inner, below in key.keys.items() for place in paths_to(name, below, (*path, inner))]
