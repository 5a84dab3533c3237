package inventory

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long Watch waits for a writer to finish: until there was no change for
// quiet, but no longer than patience.
const (
	quiet    = 100 * time.Millisecond
	patience = time.Second
)

// Watch reloads whenever the files change, until ctx ends. It calls changed with
// the outcome of each of its loads, one at a time, and logs only what is wrong
// with watching itself.
func (s *Store[T]) Watch(ctx context.Context, logger *slog.Logger, changed func(error)) error {
	w := &watcher{logger: logger, watched: map[string]inode{}}
	var events <-chan fsnotify.Event
	var failures <-chan error
	if kernel, err := s.newWatcher(); err != nil {
		w.say(err, s.Rescan)
	} else {
		w.kernel = kernel
		events, failures = kernel.Events, kernel.Errors
		defer kernel.Close()
	}
	rescan := time.NewTicker(s.Rescan)
	defer rescan.Stop()
	var since burst
	look := time.NewTimer(0) // at once: there may have been changes since the load
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-events:
			if !ok {
				events = nil
			} else if w.trail.matters(e.Name) {
				look.Reset(since.wait(time.Now()))
			}
			continue
		case err, ok := <-failures: // events were lost
			if !ok {
				failures = nil
			}
			logger.Debug("the kernel lost track of changes; looking at the files", "error", err)
		case <-look.C:
		case <-rescan.C:
		case <-s.reloaded:
		}
		since = burst{}
		if err := w.follow(s.watched); err != nil {
			w.say(err, s.Rescan)
		}
		switch wait, stale := s.stale(w.trail); {
		case !stale:
		case wait > 0:
			look.Reset(wait)
		default:
			changed(s.Reload()) // which brings us here again, for there may be other paths
		}
	}
}

// A burst is a time of many changes.
type burst struct{ began time.Time }

// wait is how long to wait for its end after a change now.
func (b *burst) wait(now time.Time) time.Duration {
	if b.began.IsZero() {
		b.began = now
	}
	return max(0, min(quiet, b.began.Add(patience).Sub(now)))
}

// A watcher has the kernel tell changes along a trail.
type watcher struct {
	logger  *slog.Logger
	kernel  *fsnotify.Watcher // nil where there is none
	trail   trail
	watched map[string]inode
	said    map[string]bool
}

// follow finds the trail to the paths and watches every directory on it. What
// changes afterwards is told by the kernel, what changed before is in the trail.
func (w *watcher) follow(paths func() []string) error {
	w.trail = follow(paths())
	if w.kernel == nil {
		return nil
	}
	for range 5 { // a directory may be replaced just before it is watched
		err := w.watch()
		before := w.trail
		w.trail = follow(paths())
		if err != nil || maps.Equal(before.inodes, w.trail.inodes) {
			return err
		}
	}
	return nil
}

// watch makes the kernel's watches those of the trail. A watch is of a directory
// and not of its path, and silently ends with it.
func (w *watcher) watch() error {
	alive := w.kernel.WatchList()
	for dir, was := range w.watched {
		if w.trail.names[dir] == nil || w.trail.inodes[dir] != was || !slices.Contains(alive, dir) {
			// It fails where the watch has ended by itself.
			_ = w.kernel.Remove(dir)
			delete(w.watched, dir)
		}
	}
	var first error
	for dir := range w.trail.names {
		if _, ok := w.watched[dir]; ok {
			continue
		}
		if err := w.kernel.Add(dir); errors.Is(err, fs.ErrNotExist) {
			continue // the directory above is watched
		} else if err != nil {
			first = err
			continue
		}
		w.watched[dir] = w.trail.inodes[dir]
	}
	return first
}

// say logs, once, that changes are noticed by looking only.
func (w *watcher) say(err error, every time.Duration) {
	if w.said[err.Error()] {
		return
	}
	if w.said == nil {
		w.said = map[string]bool{}
	}
	w.said[err.Error()] = true
	w.logger.Warn("the kernel does not watch all files of the configuration, so a change may be noticed late; see fs.inotify in sysctl, or send SIGHUP",
		"error", err, "within", every)
}
