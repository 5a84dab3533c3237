package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/config"
	"github.com/pxe-pilot/pxe-pilot/internal/journal"
)

// A diary is the journal of a state directory. Where that cannot be used the
// server goes on without, and tries again whenever the journal is needed: machines
// boot and lists are answered meanwhile.
type diary struct {
	options journal.Options

	mu     sync.Mutex // guards what follows
	open   *journal.Journal
	closed bool
	failed error // why it is not open
	tried  time.Time
}

// How often at most it is tried to open the journal, and how often what is old in it
// is forgotten.
const (
	retryJournal = 2 * time.Second
	tendJournal  = time.Hour
)

func newDiary(kept config.State, log *slog.Logger) *diary {
	return &diary{options: journal.Options{Directory: kept.Directory, Keep: kept.Keep, MaxSize: kept.MaxSize, Logger: log}}
}

// tend has the journal forget what is old, until ctx ends.
func (d *diary) tend(ctx context.Context) error {
	every := time.NewTicker(tendJournal)
	defer every.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			j, err := d.journal(ctx)
			if err != nil {
				break // whoever needs it complains
			}
			if more, err = j.Prune(ctx); err != nil && ctx.Err() == nil {
				d.options.Logger.Warn("what is old in the journal was not forgotten; it is tried again in a while", "error", err, "within", tendJournal)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

func (d *diary) journal(ctx context.Context) (*journal.Journal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, pxepilot.Errorf(pxepilot.Unavailable, "the server is stopping")
	case d.open != nil:
		return d.open, nil
	case d.failed != nil && time.Since(d.tried) < retryJournal:
		return nil, d.failed
	}
	d.open, d.failed = journal.Open(ctx, d.options)
	d.tried = time.Now()
	return d.open, d.failed
}

// Write is part of pilot.Journal.
func (d *diary) Write(ctx context.Context, r *pxepilot.Record) error {
	j, err := d.journal(ctx)
	if err != nil {
		return err
	}
	return j.Write(ctx, r)
}

// Entries is part of pilot.Journal.
func (d *diary) Entries(ctx context.Context, q pxepilot.Question) ([]pxepilot.Entry, error) {
	j, err := d.journal(ctx)
	if err != nil {
		return nil, err
	}
	return j.Entries(ctx, q)
}

// Remember is part of pilot.Journal.
func (d *diary) Remember(ctx context.Context) (*pxepilot.Memory, error) {
	j, err := d.journal(ctx)
	if err != nil {
		return nil, err
	}
	return j.Remember(ctx)
}

// close closes the journal, after everybody who writes has ended.
func (d *diary) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.open == nil {
		return
	}
	if err := d.open.Close(); err != nil {
		d.options.Logger.Warn("the journal was not closed as it should be; the next start puts it in order", "error", err)
	}
}
