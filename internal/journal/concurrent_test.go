package journal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// TestAtOnce: many write and read at once, the task behind runs, and the journal is
// closed in the middle. What was acknowledged is there.
func TestAtOnce(t *testing.T) {
	dir := t.TempDir()
	j, err := openWith(t.Context(), Options{Directory: dir, Keep: time.Hour, Now: func() time.Time { return at }}, pace{lock: time.Second})
	must(t, err)
	const writers, each = 4, 40
	var written sync.Map
	var all, readers sync.WaitGroup
	enough := make(chan struct{})
	for w := range writers {
		all.Go(func() {
			for i := range each {
				host := fmt.Sprintf("h%d-%d", w, i)
				r := &pxepilot.Record{
					New:   []*pxepilot.Entry{{At: at, Actor: fmt.Sprint("a", w), Result: pxepilot.Done, Hosts: []pxepilot.Switch{{Host: host}}}},
					Known: map[string]pxepilot.Boot{host: {State: pxepilot.Configured, Digest: strings.Repeat("ab", 600)}},
				}
				if err := j.Write(context.Background(), r); err != nil {
					t.Error(err)
				}
				if _, twice := written.LoadOrStore(r.New[0].ID, host); twice {
					t.Errorf("%d was given twice", r.New[0].ID)
				}
			}
		})
	}
	ended := func(err error) bool {
		return err != nil && err.Error() == "the journal is closed, for the server ends; try again"
	}
	for name, read := range map[string]func(i int) error{
		"entries": func(int) error {
			_, err := j.Entries(context.Background(), pxepilot.Question{Host: "h1-1"})
			return err
		},
		"list":     func(int) error { _, err := j.Entries(context.Background(), pxepilot.Question{Most: 5}); return err },
		"remember": func(int) error { _, err := j.Remember(context.Background()); return err },
		"prune":    func(int) error { _, err := j.Prune(context.Background()); return err },
		"backup":   func(i int) error { return j.Backup(context.Background(), filepath.Join(dir, fmt.Sprint("backup", i))) },
		"late": func(int) error {
			select {
			case <-enough:
			default:
				return nil
			}
			return j.Write(context.Background(), &pxepilot.Record{Contents: map[string]string{"x": "00"}})
		},
	} {
		readers.Go(func() {
			for i := 0; ; i++ {
				if err := read(i); ended(err) {
					return
				} else if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	all.Wait()
	close(enough)
	must(t, j.Close())
	readers.Wait()

	f := newFixture(t, dir, Options{})
	defer f.Close()
	entries, err := f.Entries(t.Context(), pxepilot.Question{})
	must(t, err)
	got := map[int64]string{}
	for _, e := range entries {
		got[e.ID] = e.Hosts[0].Host
	}
	want := map[int64]string{}
	written.Range(func(id, host any) bool { want[id.(int64)] = host.(string); return true })
	if d := gocmp.Diff(want, got); d != "" || len(got) != writers*each {
		t.Error(d)
	}
	m, err := f.Remember(t.Context())
	must(t, err)
	if len(m.Known) != writers*each {
		t.Errorf("%d are known", len(m.Known))
	}
}

// until waits for what the task behind does.
func until(t *testing.T, done func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-t.Context().Done():
			t.Fatal("in vain")
		}
	}
}

// TestBehind: nobody asks, and the index is made, facts are put together, and what
// is in the write-ahead log is put into the database.
func TestBehind(t *testing.T) {
	dir := t.TempDir()
	j, err := openWith(t.Context(), Options{Directory: dir}, pace{lock: time.Second})
	must(t, err)
	defer j.Close()
	looking, err := open(j.path, "ro")
	must(t, err)
	defer looking.Close()
	for range 12 {
		intent, result := deployOf(1000)
		must(t, j.Write(t.Context(), intent))
		must(t, j.Write(t.Context(), result))
	}
	until(t, func() bool {
		var indexed, facts, pages, saved, blocked int
		must(t, looking.QueryRow(`SELECT entry, (SELECT count(*) FROM facts) FROM indexed`).Scan(&indexed, &facts))
		must(t, looking.QueryRow(`PRAGMA wal_checkpoint(NOOP)`).Scan(&blocked, &pages, &saved))
		return indexed == 12 && facts < 12 && pages-saved < longLog
	})
}

// TestBehindFails aloud, and is tried again.
func TestBehindFails(t *testing.T) {
	var told lines
	j, err := openWith(t.Context(), Options{Directory: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&told, nil))}, pace{lock: time.Second})
	must(t, err)
	defer j.Close()
	free, err := j.take(t.Context())
	must(t, err)
	must(t, j.writer.script(`ALTER TABLE subjects RENAME TO away`))
	free()
	must(t, j.Write(t.Context(), deed(1)))
	until(t, func() bool { return strings.Contains(told.String(), "the journal is not tidied up") })
	free, err = j.take(t.Context())
	must(t, err)
	must(t, j.writer.script(`ALTER TABLE away RENAME TO subjects`))
	free()
	must(t, j.Write(t.Context(), deed(2)))
	until(t, func() bool {
		free, err := j.take(t.Context())
		must(t, err)
		defer free()
		return j.indexed == 2
	})
}

// lines is a buffer that one writes to while another reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestWaitingEnds when the one who waits goes away.
func TestWaitingEnds(t *testing.T) {
	f := newFixture(t, t.TempDir(), Options{})
	defer f.Close()
	free, err := f.take(t.Context())
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { failed <- f.Write(ctx, deed(1)) }()
	cancel()
	if err := <-failed; err != context.Canceled {
		t.Error(err)
	}
	free()
	if err := f.Write(ctx, deed(1)); err != context.Canceled {
		t.Error(err)
	}
	must(t, f.Write(t.Context(), deed(1)))
}
