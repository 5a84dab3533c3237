package journal

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	database = "journal.db"   // and beside it what SQLite adds: -wal and -shm
	lockFile = "journal.lock" // never removed: who removes a lock may remove the next one's
)

// maxReaders is how many read at once; others wait.
const maxReaders = 4

// Open opens the journal, or makes one where there is none. What is damaged is
// left as it is.
func Open(ctx context.Context, o Options) (*Journal, error) {
	return openWith(ctx, o, pace{lock: lockWait, quiet: quiet})
}

// A pace is how long things are waited for; tests have less time.
type pace struct {
	lock  time.Duration // for another server to end
	quiet time.Duration // for writers, before what is done behind
}

func openWith(ctx context.Context, o Options, p pace) (*Journal, error) {
	j := &Journal{
		keep:    o.Keep,
		maxSize: o.MaxSize,
		log:     o.Logger,
		now:     o.Now,
		turn:    make(chan struct{}, 1),
		busy:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
		closed:  make(chan struct{}),
		files:   map[string]os.FileInfo{},
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	if j.now == nil {
		j.now = time.Now
	}
	dir, err := filepath.Abs(o.Directory)
	if err != nil {
		return nil, misplaced(err)
	}
	j.path = filepath.Join(dir, database)
	if err := makeDirectory(dir); err != nil {
		return nil, misplaced(err)
	}
	if j.lock, err = acquire(ctx, filepath.Join(dir, lockFile), p.lock); err != nil {
		return nil, err
	}
	if err := j.open(ctx); err != nil {
		_ = j.Close() // why it was not opened says more
		return nil, j.trouble(err)
	}
	tending, stop := context.WithCancel(context.Background())
	j.stop = stop
	go j.behind(tending, p.quiet)
	j.wake()
	return j, nil
}

// open opens the database of a directory that is ours.
func (j *Journal) open(ctx context.Context) error {
	switch info, err := os.Lstat(j.path); {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(j.path); err != nil {
			return err
		}
	case err != nil:
		return misplaced(err)
	case !info.Mode().IsRegular():
		return pxepilot.Errorf(pxepilot.Unavailable, "%s in the %s is not a regular file; move it away", database, directory)
	}
	if err := check(ctx, j.path); err != nil {
		return err
	}
	var err error
	if j.writer, err = newWriter(j.path); err != nil {
		return err
	}
	if err := j.writer.writeAhead(); err != nil {
		return err
	}
	if err := migrate(j.writer, migrations); err != nil {
		return err
	}
	err = j.writer.row(`SELECT coalesce((SELECT max(id) FROM entries), 0), (SELECT entry FROM indexed),
		coalesce((SELECT sum(length(facts)) FROM facts), 0)`, nil, &j.lastID, &j.indexed, &j.loose)
	if err != nil {
		return err
	}
	if j.readers, err = open(j.path, "rw", "query_only(1)"); err != nil {
		return err
	}
	j.readers.SetMaxOpenConns(maxReaders)
	reserve(j.path + "-wal")
	for _, path := range []string{j.path, j.path + "-wal", j.lock.Name()} {
		if j.files[path], err = os.Stat(path); err != nil {
			return misplaced(err)
		}
	}
	return nil
}

// open makes connections to a database. Each is set up in the same way.
func open(path, mode string, pragmas ...string) (*sql.DB, error) {
	name := url.URL{Scheme: "file", Path: path}
	name.RawQuery = url.Values{"mode": {mode}, "_error_rc": {"1"}, "_busy_timeout": {"5000"}, "_pragma": append([]string{
		"foreign_keys(1)",
		"synchronous(FULL)",     // a commit is durable when it returns
		"wal_autocheckpoint(0)", // behind.go does that, so that nobody waits for it
		"journal_size_limit(67108864)",
		"temp_store(MEMORY)",
		"cache_size(-16000)", // what 10,000 hosts take fits, in KiB
	}, pragmas...)}.Encode()
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// reserve makes the write-ahead log as long as it mostly gets: a sync of what only
// replaces what was there takes half the time, for the file system has no part in
// it. To SQLite, zeros are nothing. Where it fails it is only slower.
func reserve(path string) {
	const size = longLog * 4120 // pages, each with its header
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() >= size || cramped(path, 8*size) {
		return
	}
	if _, err := f.WriteAt(make([]byte, size-info.Size()), info.Size()); err != nil {
		_ = f.Truncate(info.Size())
		return
	}
	_ = f.Sync()
}
