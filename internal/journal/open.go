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

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	database = "journal.db"   // and beside it what SQLite adds: -wal and -shm
	lockFile = "journal.lock" // never removed: who removes a lock may remove the next one's
)

// application marks the database as ours (PRAGMA application_id): "PXEp".
const application = 0x50584570

// lockWait is how long another process may keep the journal. lockPoll is how
// often that is looked at.
const (
	lockWait = 5 * time.Second
	lockPoll = 20 * time.Millisecond
)

// Open opens the journal, or makes one where there is none. What is damaged is
// left as it is.
func Open(ctx context.Context, o Options) (*Journal, error) {
	j := &Journal{
		keep:    o.Keep,
		maxSize: o.MaxSize,
		log:     o.Logger,
		now:     o.Now,
		turn:    make(chan struct{}, 1),
		busy:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
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
	if j.lock, err = acquire(ctx, filepath.Join(dir, lockFile), lockWait); err != nil {
		return nil, err
	}
	if err := j.open(ctx); err != nil {
		return nil, errors.Join(trouble(err), j.Close())
	}
	tending, stop := context.WithCancel(context.Background())
	j.stop = stop
	go j.behind(tending)
	j.wake()
	return j, nil
}

// open opens the database of a directory that is ours.
func (j *Journal) open(ctx context.Context) error {
	switch info, err := os.Stat(j.path); {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(j.path); err != nil {
			return err
		}
	case err != nil:
		return misplaced(err)
	case !info.Mode().IsRegular():
		return pxepilot.Errorf(pxepilot.Unavailable, "%s in the %s is not a file; move it away", database, directory)
	case info.Size() == 0:
		return unavailable(errors.New("the file is empty"), damage)
	}
	if err := check(ctx, j.path); err != nil {
		return err
	}
	var err error
	if j.opened, err = os.Stat(j.path); err != nil {
		return misplaced(err)
	}
	if j.writer, err = newWriter(j.path); err != nil {
		return err
	}
	if err := migrate(j.writer, migrations); err != nil {
		return err
	}
	if err := j.writer.row(`SELECT coalesce(max(id), 0) FROM entries`, nil, &j.lastID); err != nil {
		return err
	}
	if err := j.writer.row(`SELECT coalesce(sum(length(facts)), 0) FROM facts`, nil, &j.loose); err != nil {
		return err
	}
	j.readers, err = open(j.path, "rw", "query_only(1)")
	return err
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

// makeDirectory makes the directory itself, but nothing above it: where that is
// missing, a disk may not be mounted.
func makeDirectory(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(dir))
}

func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// acquire takes the lock of a directory, so that two servers never share it.
func acquire(ctx context.Context, path string, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, misplaced(err)
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return nil, errors.Join(misplaced(err), f.Close())
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			return nil, errors.Join(pxepilot.Errorf(pxepilot.Unavailable,
				"another server uses the %s; end that one, or give each its own", directory), f.Close())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}

// create makes a new database. It gets its name when it is whole, so that one that
// is empty or half made is damaged and never new.
func create(path string) error {
	if _, err := os.Stat(path + "-wal"); err == nil {
		return pxepilot.Errorf(pxepilot.Unavailable, "%s is missing in the %s, and what belongs to it is still there; put it back, or move %[1]s-wal away to begin a new one", database, directory)
	}
	made := path + ".new"
	for _, left := range []string{made, made + "-wal", made + "-shm", made + "-journal"} {
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return misplaced(err)
		}
	}
	// SQLite gives its other files the mode of this one.
	f, err := os.OpenFile(made, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return misplaced(err)
	}
	if err := f.Close(); err != nil {
		return misplaced(err)
	}
	w, err := newWriter(made)
	if err != nil {
		return err
	}
	err = w.exec(`PRAGMA application_id = 0x50584570`)
	if err == nil {
		err = migrate(w, migrations)
	}
	var mode string
	if err == nil {
		err = w.row(`PRAGMA journal_mode = WAL`, nil, &mode)
	}
	if err := errors.Join(err, w.close()); err != nil {
		return err
	}
	if err := os.Rename(made, path); err != nil {
		return misplaced(err)
	}
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return misplaced(err)
	}
	return nil
}

// check looks whether a database is ours and whole. It does so by a connection
// that cannot write, for closing the last one that can changes the database.
func check(ctx context.Context, path string) (err error) {
	db, err := open(path, "ro")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var id, version int
	if err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	switch {
	case id != application:
		return pxepilot.Errorf(pxepilot.Unavailable, "%s in the %s is the database of another program; move it away", database, directory)
	case version > len(migrations):
		return newer(version, len(migrations))
	}
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return unavailable(errors.New(verdict), damage)
	}
	return nil
}

// misplaced makes a clear sentence of what keeps files from being in the directory.
func misplaced(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unavailable(err, "the "+directory+" is missing; make it, or see that its disk is mounted")
	case errors.Is(err, unix.ENOTDIR):
		return unavailable(err, "the "+directory+" is not a directory; name another one")
	case errors.Is(err, fs.ErrPermission):
		return unavailable(err, "the "+directory+" is closed to the user of the server; give it to that user (chown)")
	case errors.Is(err, unix.EROFS):
		return unavailable(err, "the "+directory+" is on a read-only file system; mount it writable, or name another one")
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return unavailable(err, full)
	}
	return unavailable(err, "the "+directory+" cannot be used; see what the kernel says of its disk (dmesg)")
}
