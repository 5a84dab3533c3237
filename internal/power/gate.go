package power

import (
	"context"
	"sync"
)

// A gate lets a bounded number of operations through at a time. Those that wait
// go in the order they came, except that operations on BMCs that are known to be
// silent go last: a few dead BMCs, each of which costs a whole deadline, must not
// hold up all others.
type gate struct {
	mu     sync.Mutex
	free   int
	first  []chan struct{} // waiting
	silent []chan struct{} // waiting, for silent BMCs
}

func newGate(n int) *gate { return &gate{free: n} }

// enter waits for a place. The caller leaves when it is done.
func (g *gate) enter(ctx context.Context, silent bool) error {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return nil
	}
	place := make(chan struct{})
	if silent {
		g.silent = append(g.silent, place)
	} else {
		g.first = append(g.first, place)
	}
	g.mu.Unlock()
	select {
	case <-place:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, queue := range []*[]chan struct{}{&g.first, &g.silent} {
		for i, p := range *queue {
			if p == place {
				*queue = append((*queue)[:i], (*queue)[i+1:]...)
				return ctx.Err()
			}
		}
	}
	// The place was given just now.
	g.pass()
	return ctx.Err()
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass()
}

// pass gives a place to the next one, or back.
func (g *gate) pass() {
	for _, queue := range []*[]chan struct{}{&g.first, &g.silent} {
		if len(*queue) > 0 {
			close((*queue)[0])
			*queue = (*queue)[1:]
			return
		}
	}
	g.free++
}
