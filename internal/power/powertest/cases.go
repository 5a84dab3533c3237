package powertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	// patience is how long anything that ends by itself may take here; it is
	// there to end a test that hangs.
	patience = 10 * time.Second
	// short is the deadline that callers set in front of a BMC that does not
	// answer, and slack what a driver may need after it.
	short = 300 * time.Millisecond
	slack = time.Second
)

// start makes the one machine of a test, whose BMC does what it is told, and
// wants no goroutine to be left.
func start(t *testing.T, f Fixture) Machine {
	t.Helper()
	leaveNothing(t)
	return start1(t, f, Well)
}

// leaveNothing wants no goroutine to be left when everything has ended that the
// test starts from here on.
func leaveNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// start1 makes one of several machines; its controller is watched, and closed
// in the end.
func start1(t *testing.T, f Fixture, b Behaviour) Machine {
	t.Helper()
	m := f.New(t, b)
	bare := m.Controller
	t.Cleanup(func() {
		if err := bare.Close(); err != nil && b == Well {
			t.Errorf("Close: %v", err)
		}
	})
	m.Controller = watched{bare, t, m.BMC}
	return m
}

// within returns a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until what is seen from outside is so: a real machine may
// take a moment longer than its BMC's answer.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Errorf("%s: still not so after %s", what, patience)
			return
		}
	}
}

// wantActions waits until the machine was acted on that often, and compares.
func wantActions(t *testing.T, m Machine, want ...pxepilot.PowerAction) {
	t.Helper()
	if len(want) > 0 {
		eventually(t, "the machine is acted on", func() bool { return len(m.Actions()) >= len(want) })
	}
	if diff := cmp.Diff(want, m.Actions()); diff != "" {
		t.Errorf("actions that reached the machine (-want +got):\n%s", diff)
	}
}

func testState(t *testing.T, f Fixture) {
	if !f.State {
		return
	}
	m := start(t, f)
	for _, on := range []bool{false, true, false, false, true} {
		m.press(on)
		want := pxepilot.PowerOff
		if on {
			want = pxepilot.PowerOn
		}
		if got, err := m.Controller.State(within(t, patience)); err != nil || got != want {
			t.Errorf("State = %q, %v; the machine is %s", got, err, want)
		}
	}
	wantActions(t, m)
}

func testActions(t *testing.T, f Fixture) {
	for _, a := range f.Actions {
		t.Run(string(a), func(t *testing.T) {
			m := start(t, f)
			on := a != pxepilot.ActionOff && a != pxepilot.ActionSoftOff
			// Switching off what is off proves nothing; cycle and reset are
			// for machines that run (IPMI 2.0 section 28.3).
			if a != pxepilot.ActionOn {
				m.press(true)
			}
			if err := m.Controller.Do(within(t, patience), a); err != nil {
				t.Fatalf("Do(%s): %v", a, err)
			}
			wantActions(t, m, a)
			if m.IsOn != nil {
				eventually(t, "the machine follows", func() bool { return m.IsOn() == on })
			}
			// Asking for the state afterwards, or closing, acts on nothing.
			if f.State {
				if _, err := m.Controller.State(within(t, patience)); err != nil {
					t.Errorf("State after %s: %v", a, err)
				}
			}
			if err := m.Controller.Close(); err != nil {
				t.Errorf("Close after %s: %v", a, err)
			}
			wantActions(t, m, a)
		})
	}
}

func testBootNext(t *testing.T, f Fixture) {
	for _, d := range f.Devices {
		for _, fw := range everyFirmware {
			t.Run(string(d)+"-"+string(fw), func(t *testing.T) {
				m := start(t, f)
				if err := m.Controller.BootNext(within(t, patience), d, fw); err != nil {
					t.Fatalf("BootNext(%s, %q): %v", d, fw, err)
				}
				device, firmware := m.NextBoot()
				if device != d {
					t.Errorf("the BMC would boot %q, want %q", device, d)
				}
				if f.Firmware && fw != "" && firmware != fw {
					t.Errorf("the BMC would boot by %q, want %q", firmware, fw)
				}
				wantActions(t, m)
			})
		}
	}
	if len(f.Devices) < 2 {
		return
	}
	t.Run("the-last-one-counts", func(t *testing.T) {
		m := start(t, f)
		for _, d := range f.Devices {
			if err := m.Controller.BootNext(within(t, patience), d, ""); err != nil {
				t.Fatalf("BootNext(%s): %v", d, err)
			}
			if got, _ := m.NextBoot(); got != d {
				t.Errorf("the BMC would boot %q, want %q", got, d)
			}
		}
	})
}

func testUnsupported(t *testing.T, f Fixture) {
	m := start(t, f)
	want := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v; want an error that wraps errors.ErrUnsupported", what, err)
		}
	}
	if !f.State {
		_, err := m.Controller.State(within(t, patience))
		want("State", err)
	}
	for _, a := range append(slices.Clone(everyAction), "explode", "") {
		if !slices.Contains(f.Actions, a) {
			want("Do("+string(a)+")", m.Controller.Do(within(t, patience), a))
		}
	}
	for _, d := range append(slices.Clone(everyDevice), "floppy", "") {
		if !slices.Contains(f.Devices, d) {
			want("BootNext("+string(d)+")", m.Controller.BootNext(within(t, patience), d, ""))
		}
	}
	wantActions(t, m)
	if m.NextBoot != nil {
		if d, _ := m.NextBoot(); d != "" {
			t.Errorf("the BMC would boot %q, though nothing was asked for that it could", d)
		}
	}
}

// testClose wants Close to be harmless at any time: before anything was asked,
// twice, and in between, for the next call opens what it needs again.
func testClose(t *testing.T, f Fixture) {
	m := start(t, f)
	closing := func() {
		t.Helper()
		for range 2 {
			if err := m.Controller.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	}
	closing()
	for range 2 {
		if err := f.harmless(t, m); err != nil {
			t.Errorf("after Close: %v", err)
		}
		closing()
	}
}

// harmless asks something that may be asked any number of times.
func (f Fixture) harmless(t *testing.T, m Machine) error {
	t.Helper()
	if f.State {
		_, err := m.Controller.State(within(t, patience))
		return err
	}
	return m.Controller.Do(within(t, patience), pxepilot.ActionOn)
}

func testConcurrent(t *testing.T, f Fixture) {
	m := start(t, f)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				if err := f.harmless(t, m); err != nil {
					t.Errorf("one of many at once: %v", err)
				}
			}
		})
	}
	for range 4 {
		all.Go(func() {
			if err := m.Controller.Close(); err != nil {
				t.Errorf("Close among others: %v", err)
			}
		})
	}
	if len(f.Devices) > 0 {
		all.Go(func() {
			if err := m.Controller.BootNext(within(t, patience), f.Devices[0], ""); err != nil {
				t.Errorf("BootNext among others: %v", err)
			}
		})
	}
	if f.State && slices.Contains(f.Actions, pxepilot.ActionOn) {
		all.Go(func() {
			if err := m.Controller.Do(within(t, patience), pxepilot.ActionOn); err != nil {
				t.Errorf("Do among others: %v", err)
			}
		})
	}
	all.Wait()
	if f.State {
		wantActions(t, m, pxepilot.ActionOn)
	}
}

// testCancelled wants nothing to begin once the caller has given up.
func testCancelled(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.each(t, Well, func(what string, m Machine, _ pxepilot.PowerAction, call func(context.Context) error) {
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v; want an error that wraps context.Canceled", what, err)
		}
		wantActions(t, m)
	})
}

// testForget wants a lost session to go unnoticed, and an action all the same
// to reach the machine once.
func testForget(t *testing.T, f Fixture) {
	if !f.State {
		return
	}
	f.each(t, Well, func(what string, m Machine, a pxepilot.PowerAction, call func(context.Context) error) {
		if m.Forget == nil {
			return
		}
		m.press(a != pxepilot.ActionOn)
		if err := f.harmless(t, m); err != nil {
			t.Errorf("%s: before the session is lost: %v", what, err)
			return
		}
		m.Forget()
		if err := call(within(t, patience)); err != nil {
			t.Errorf("%s after the session was lost: %v", what, err)
		}
		if a == "" {
			wantActions(t, m)
		} else {
			wantActions(t, m, a)
		}
	})
}

// each runs do for each thing that the driver can, all at once, each in front
// of a machine of its own; a is the action, empty for what is none.
func (f Fixture) each(t *testing.T, b Behaviour, do func(what string, m Machine, a pxepilot.PowerAction, call func(context.Context) error)) {
	t.Helper()
	leaveNothing(t)
	var all sync.WaitGroup
	if f.State {
		m := start1(t, f, b)
		all.Go(func() {
			do("State", m, "", func(ctx context.Context) error { _, err := m.Controller.State(ctx); return err })
		})
	}
	for _, a := range f.Actions {
		m := start1(t, f, b)
		all.Go(func() {
			do("Do("+string(a)+")", m, a, func(ctx context.Context) error { return m.Controller.Do(ctx, a) })
		})
	}
	for _, d := range f.Devices {
		m := start1(t, f, b)
		all.Go(func() {
			do("BootNext("+string(d)+")", m, "", func(ctx context.Context) error { return m.Controller.BootNext(ctx, d, "") })
		})
	}
	all.Wait()
}
