package neighbour

import (
	"context"
	"sync"
	"time"
)

// A pacer spreads packets evenly over time. It is shared by the interfaces of
// one sweep.
type pacer struct {
	interval time.Duration // 0: unpaced

	mu   sync.Mutex
	next time.Time
}

// A timer is late by up to a millisecond, and waking up for every packet costs
// more than sending it: packets leave up to early too soon, and what was missed
// is made up for, but no more of it than late.
const (
	early = time.Millisecond
	late  = 5 * time.Millisecond
)

func newPacer(perSecond int) *pacer {
	p := &pacer{}
	if perSecond > 0 {
		p.interval = max(time.Second/time.Duration(perSecond), 1)
	}
	return p
}

// wait returns when the next packet may leave, or when ctx is done.
func (p *pacer) wait(ctx context.Context) error {
	if p.interval == 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	now := time.Now()
	if missed := now.Add(-late); p.next.Before(missed) {
		p.next = missed
	}
	delay := p.next.Sub(now)
	p.next = p.next.Add(p.interval)
	p.mu.Unlock()
	if delay <= early {
		return ctx.Err()
	}
	return pause(ctx, delay)
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
