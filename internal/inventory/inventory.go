// Package inventory holds the current snapshot of what the configuration file
// says. A Store builds a snapshot as a whole and then swaps it in; where that
// fails the last good one stays. Whoever reads sees one snapshot or the next,
// never half of one.
//
// Watch keeps the snapshot up to date with its files. It asks the kernel to tell
// changes (watch.go), and since the kernel cannot tell all of them it compares
// fingerprints of the files now and then (trail.go).
package inventory

import (
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A Store holds the current snapshot, of whatever type it is. It is safe for
// concurrent use.
type Store[T any] struct {
	// Rescan is how often Watch looks at the files without being told to. It
	// may be set before Watch begins.
	Rescan time.Duration
	// Swapped, where set, is called with each new snapshot once it is current,
	// one at a time. It may be set before the first load.
	Swapped func(*T)

	load       func() (*T, []string, error)
	newWatcher func() (*fsnotify.Watcher, error)
	reloaded   chan struct{} // tells Watch that there may be other files
	current    atomic.Pointer[T]

	loading sync.Mutex // one load at a time
	mu      sync.Mutex // guards what follows
	err     error
	paths   []string // absolute
	seen    []stamp  // of the paths, just after they were loaded
	began   time.Time
	settled bool // seen is what was loaded: nothing changed meanwhile
}

// New returns a Store of the snapshots that load builds. Besides a snapshot or
// an error load returns the paths of the files and directories that a change
// must be looked for in, with an error as far as it got.
func New[T any](load func() (*T, []string, error)) *Store[T] {
	return &Store[T]{
		Rescan:     10 * time.Second,
		load:       load,
		newWatcher: fsnotify.NewWatcher,
		reloaded:   make(chan struct{}, 1),
	}
}

// Load builds the first snapshot.
func (s *Store[T]) Load() error { return s.Reload() }

// Current returns the last good snapshot; nil before the first one. It is
// immutable.
func (s *Store[T]) Current() *T { return s.current.Load() }

// Err says why the last load failed, or nil where it did not.
func (s *Store[T]) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Reload builds a snapshot and swaps it in. On an error the last good one stays,
// and the error is what Err returns until a load succeeds.
func (s *Store[T]) Reload() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	began, before := time.Now(), follow(s.watched())
	value, paths, err := s.load()
	if err == nil {
		s.current.Store(value)
		if s.Swapped != nil {
			s.Swapped(value)
		}
	} else {
		// What mends it may be a change of a file that it was last good with.
		paths = append(slices.Clip(paths), s.watched()...)
	}
	for i, p := range paths {
		if abs, err := filepath.Abs(p); err == nil {
			paths[i] = abs
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	t := follow(paths)

	s.mu.Lock()
	s.err, s.paths = err, paths
	s.seen, s.began, s.settled = t.stamps, began, t.settled(began) && t.timelessIn(before)
	s.mu.Unlock()
	select {
	case s.reloaded <- struct{}{}:
	default:
	}
	return err
}

func (s *Store[T]) watched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paths
}

// stale says whether the files may not be what was loaded, and how long to wait
// before they are loaded again.
func (s *Store[T]) stale(t trail) (wait time.Duration, stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !slices.Equal(s.seen, t.stamps):
		return 0, true
	case s.settled:
		return 0, false
	}
	return max(0, time.Until(s.began.Add(quiet+unsure))), true
}
