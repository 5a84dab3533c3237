-- What happened. IDs rise, and the last entry is never removed, so that none is
-- used again. The hosts come last: who does not ask for them reads no further.
CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL, -- microseconds since 1970, UTC
  what TEXT NOT NULL,
  actor TEXT NOT NULL,
  origin TEXT NOT NULL,
  configuration TEXT NOT NULL,
  why TEXT NOT NULL,
  result TEXT NOT NULL,
  error TEXT NOT NULL,
  undoes INTEGER NOT NULL,
  loud INTEGER NOT NULL,
  count INTEGER NOT NULL,
  hosts BLOB NOT NULL
) STRICT;

CREATE INDEX entries_by_time ON entries (at);
CREATE INDEX entries_under_way ON entries (id) WHERE result = '';

-- What machines sent with entries.
CREATE TABLE logs (
  entry INTEGER PRIMARY KEY REFERENCES entries ON DELETE CASCADE,
  log TEXT NOT NULL
) STRICT;

-- What entries are about: "host h1", "actor api". This is made of the entries,
-- behind the answer.
CREATE TABLE subjects (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE entries_by_subject (
  subject INTEGER NOT NULL REFERENCES subjects,
  entry INTEGER NOT NULL,
  PRIMARY KEY (subject, entry)
) STRICT, WITHOUT ROWID;

-- How far that came: this is the last entry of which all is made.
CREATE TABLE indexed (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  entry INTEGER NOT NULL
) STRICT;

INSERT INTO indexed VALUES (1, 0);

-- What holds now: armings, known states, contents. Later facts replace earlier
-- ones.
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  facts BLOB NOT NULL
) STRICT;
