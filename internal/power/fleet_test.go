package power

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A bmc is a controller that does what a test wants.
type bmc struct {
	mu     sync.Mutex
	state  pxepilot.PowerState
	delay  time.Duration // of each operation; beyond the deadline it is silent
	err    error
	asked  int
	busy   int // operations at a time
	most   int
	closed int
	all    *counter
}

// A counter counts operations over all BMCs.
type counter struct {
	mu        sync.Mutex
	now, most int
}

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += n
	c.most = max(c.most, c.now)
}

func (b *bmc) wait(ctx context.Context) error {
	b.mu.Lock()
	b.asked++
	b.busy++
	b.most = max(b.most, b.busy)
	delay, err := b.delay, b.err
	b.mu.Unlock()
	b.all.add(1)
	defer func() {
		b.all.add(-1)
		b.mu.Lock()
		b.busy--
		b.mu.Unlock()
	}()
	select {
	case <-time.After(delay):
		return err
	case <-ctx.Done():
		return pxepilot.Errorf(pxepilot.Conflict, "no answer").Because(ctx.Err())
	}
}

func (b *bmc) State(ctx context.Context) (pxepilot.PowerState, error) {
	if err := b.wait(ctx); err != nil {
		return pxepilot.PowerUnknown, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state, nil
}

func (b *bmc) Do(ctx context.Context, a pxepilot.PowerAction) error {
	if err := b.wait(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch a {
	case pxepilot.ActionOn:
		b.state = pxepilot.PowerOn
	case pxepilot.ActionOff:
		b.state = pxepilot.PowerOff
	}
	return nil
}

func (b *bmc) BootNext(ctx context.Context, _ pxepilot.BootDevice, _ pxepilot.Firmware) error {
	return b.wait(ctx)
}

func (b *bmc) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed++
	return nil
}

func (b *bmc) closes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// A fleet of n machines, all off, whose BMCs answer at once.
func newFleet(t *testing.T, n int, o Options) (*Fleet, *pxepilot.Inventory, []*bmc, *counter) {
	t.Helper()
	all := &counter{}
	var hosts []*pxepilot.Host
	var bmcs []*bmc
	by := map[string]*bmc{}
	for i := range n {
		h := &pxepilot.Host{Name: fmt.Sprintf("h%d", i), MACs: []pxepilot.MAC{{2, 0, 0, 0, byte(i >> 8), byte(i)}}}
		b := &bmc{state: pxepilot.PowerOff, all: all}
		hosts, bmcs, by[h.Name] = append(hosts, h), append(bmcs, b), b
	}
	inv, err := pxepilot.NewInventory(hosts)
	if err != nil {
		t.Fatal(err)
	}
	o.Make = func(h *pxepilot.Host) (Controller, error) { return by[h.Name], nil }
	if o.Key == nil {
		o.Key = func(h *pxepilot.Host) string { return h.Name }
	}
	if o.Address == nil {
		o.Address = func(h *pxepilot.Host) string { return "at-" + h.Name }
	}
	f := NewFleet(o)
	f.Update(inv)
	t.Cleanup(f.Close)
	return f, inv, bmcs, all
}

func states(v *pxepilot.PowerView, inv *pxepilot.Inventory) string {
	s := ""
	for _, h := range inv.Hosts() {
		k, _ := v.Of(h)
		s += string(k.State) + " "
	}
	return s
}

func TestAColdListWaitsAndAWarmOneDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, inv, bmcs, _ := newFleet(t, 3, Options{})
		bmcs[0].delay = 300 * time.Millisecond
		bmcs[1].state = pxepilot.PowerOn
		bmcs[2].delay = time.Hour
		began := time.Now()
		v := f.Known(t.Context())
		if got := states(v, inv); got != "Off On Unknown " || time.Since(began) != time.Second {
			t.Errorf("cold: %s after %v", got, time.Since(began))
		}
		if k, _ := v.Of(inv.Hosts()[0]); k.Address != "at-h0" || k.At.IsZero() {
			t.Errorf("%+v", k)
		}
		began = time.Now()
		again := f.Known(t.Context())
		// The silent one is still being asked, and still nothing is known of it.
		if again != v || time.Since(began) != 0 {
			t.Errorf("nothing new is known, but the view is another one: %v, or waited for: %v", again != v, time.Since(began))
		}
		<-time.After(10 * time.Second)
		synctest.Wait()
		began = time.Now()
		v = f.Known(t.Context())
		if k, _ := v.Of(inv.Hosts()[2]); time.Since(began) != 0 || k.State != pxepilot.PowerUnknown || k.Problem != "no answer" {
			t.Errorf("warm: %+v after %v", k, time.Since(began))
		}
	})
}

func TestOldStatesAreAskedAnewAndSilentOnesRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, inv, bmcs, _ := newFleet(t, 2, Options{})
		bmcs[1].delay = time.Hour
		for range 60 {
			f.Known(t.Context())
			<-time.After(time.Second)
		}
		synctest.Wait()
		if bmcs[0].asked < 5 || bmcs[0].asked > 7 || bmcs[1].asked != 1 {
			t.Errorf("asked %d and %d times in a minute", bmcs[0].asked, bmcs[1].asked)
		}
		bmcs[0].mu.Lock()
		bmcs[0].state = pxepilot.PowerOn
		bmcs[0].mu.Unlock()
		if err := f.Do(t.Context(), inv.Hosts()[0], pxepilot.ActionOff); err != nil {
			t.Fatal(err)
		}
		f.Known(t.Context())
		synctest.Wait()
		if k, _ := f.Known(t.Context()).Of(inv.Hosts()[0]); k.State != pxepilot.PowerOff {
			t.Errorf("after an action: %+v", k)
		}
	})
}

func TestABMCThatIsElsewhereIsAskedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := map[string]string{"h0": "10.0.0.1"} // that of h1 is not known yet
		f, inv, bmcs, _ := newFleet(t, 2, Options{Address: func(h *pxepilot.Host) string { return at[h.Name] }})
		for _, b := range bmcs {
			b.err = pxepilot.Errorf(pxepilot.Conflict, "nobody has seen it")
		}
		if got := states(f.Known(t.Context()), inv); got != "Unknown Unknown " {
			t.Errorf("before: %s", got)
		}
		for _, b := range bmcs {
			b.err = nil
		}
		f.Forget() // though nothing is elsewhere
		if got := states(f.Known(t.Context()), inv); got != "Unknown Unknown " || bmcs[1].asked != 1 {
			t.Errorf("asked %d times: %s", bmcs[1].asked, got)
		}
		at["h1"] = "10.0.0.2"
		f.Forget()
		if got := states(f.Known(t.Context()), inv); got != "Unknown Off " || bmcs[0].asked != 1 {
			t.Errorf("asked %d times: %s", bmcs[0].asked, got)
		}
	})
}

func TestOneOperationPerBMCAndABoundOverAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, inv, bmcs, all := newFleet(t, 200, Options{})
		for _, b := range bmcs {
			b.delay = 100 * time.Millisecond
		}
		var wg sync.WaitGroup
		for range 3 {
			for _, h := range inv.Hosts() {
				wg.Go(func() { _, _ = f.State(t.Context(), h) })
			}
		}
		wg.Wait()
		if all.most != 64 {
			t.Errorf("%d operations at a time", all.most)
		}
		for i, b := range bmcs {
			if b.most != 1 || b.asked != 3 {
				t.Fatalf("BMC %d: %d at a time, %d in all", i, b.most, b.asked)
			}
		}
	})
}

func TestSilentBMCsQueueLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, inv, bmcs, _ := newFleet(t, 20, Options{AtOnce: 2, Deadline: 2 * time.Second})
		for i := range 10 {
			bmcs[i].delay = time.Hour
		}
		for i := range 10 { // they become known to be silent
			_, _ = f.State(t.Context(), inv.Hosts()[i])
		}
		began := time.Now()
		var wg, lively sync.WaitGroup
		for i, h := range inv.Hosts() {
			wg.Go(func() { _, _ = f.State(t.Context(), h) })
			if i == 1 {
				synctest.Wait() // two silent ones hold both places
			}
		}
		for i := 10; i < 20; i++ {
			lively.Go(func() { _, _ = f.State(t.Context(), inv.Hosts()[i]) })
		}
		lively.Wait()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the lively ones waited %v, longer than for the two that were first", took)
		}
		wg.Wait()
	})
}

func TestDeadlineAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, inv, bmcs, _ := newFleet(t, 1, Options{Deadline: 2 * time.Second})
		h := inv.Hosts()[0]
		bmcs[0].delay = time.Hour
		began := time.Now()
		_, err := f.State(t.Context(), h)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		go func() { _, _ = f.State(context.WithoutCancel(t.Context()), h) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err = f.State(ctx, h); pxepilot.ErrorCode(err) != pxepilot.Conflict || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("behind another operation: %v", err)
		}
	})
}

func TestReloadKeepsWhatIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := map[string]string{"h0": "a", "h1": "b", "h2": "c", "h3": ""}
		f, inv, bmcs, _ := newFleet(t, 4, Options{Key: func(h *pxepilot.Host) string { return key[h.Name] }})
		before := f.Known(t.Context())
		if _, ok := before.Of(inv.Hosts()[3]); ok {
			t.Error("a host without power is known")
		}
		if err := f.Do(t.Context(), inv.Hosts()[3], pxepilot.ActionOn); pxepilot.ErrorCode(err) != pxepilot.Conflict {
			t.Errorf("a host without power: %v", err)
		}
		key["h1"] = "other"
		next, err := pxepilot.NewInventory(inv.Hosts()[:2])
		if err != nil {
			t.Fatal(err)
		}
		f.Update(next)
		synctest.Wait()
		if a, b, c := bmcs[0].closes(), bmcs[1].closes(), bmcs[2].closes(); a != 0 || b != 1 || c != 1 {
			t.Errorf("closed %d %d %d", a, b, c)
		}
		f.Known(t.Context())
		if bmcs[0].asked != 1 || bmcs[1].asked != 2 {
			t.Errorf("asked %d %d", bmcs[0].asked, bmcs[1].asked)
		}
	})
}

func TestIdleSessionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, inv, bmcs, _ := newFleet(t, 1, Options{Idle: time.Minute})
		for range 3 {
			_, _ = f.State(t.Context(), inv.Hosts()[0])
			<-time.After(50 * time.Second)
		}
		if n := bmcs[0].closes(); n != 0 {
			t.Error("a session in use was closed")
		}
		<-time.After(11 * time.Second)
		synctest.Wait()
		if n := bmcs[0].closes(); n != 1 {
			t.Errorf("closed %d times", n)
		}
	})
}

func TestABrokenControllerIsTold(t *testing.T) {
	f, inv, _, _ := newFleet(t, 1, Options{})
	f.o.Make = func(*pxepilot.Host) (Controller, error) {
		return nil, pxepilot.Errorf(pxepilot.Conflict, "host h0: no such file")
	}
	f.o.Key = func(*pxepilot.Host) string { return "changed" }
	f.Update(inv)
	if _, err := f.State(t.Context(), inv.Hosts()[0]); err == nil || err.Error() != "host h0: no such file" {
		t.Error(err)
	}
}
