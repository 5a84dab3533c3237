package powertest

import (
	"context"
	"errors"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// testSilent wants a BMC that says nothing to cost what the caller allows, and
// giving up to work at any moment.
func testSilent(t *testing.T, f Fixture) {
	f.each(t, func(t *testing.T, m Machine, call func(context.Context) error, _ pxepilot.PowerAction) {
		began := time.Now()
		if err := call(within(t, short)); err == nil {
			t.Error("no error from a BMC that never answers")
		}
		if took := time.Since(began); took > short+slack {
			t.Errorf("took %s, but the caller's deadline was %s", took, short)
		}

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		time.AfterFunc(short/3, cancel)
		began = time.Now()
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled meanwhile: %v; want an error that wraps context.Canceled", err)
		}
		if took := time.Since(began); took > short/3+slack {
			t.Errorf("took %s to notice that the caller gave up after %s", took, short/3)
		}

		began = time.Now()
		_ = m.Controller.Close()
		if took := time.Since(began); took > slack {
			t.Errorf("Close took %s", took)
		}
	}, Silent)
}

// credentials is what an error about them speaks of.
var credentials = regexp.MustCompile(`(?i)password|user|credential`)

func testRefuses(t *testing.T, f Fixture) {
	m := start(t, f, Refuses)
	m.Press(true)
	f.every(func(what string, call func(context.Context) error) {
		err := call(within(t, patience))
		if err == nil {
			t.Fatalf("%s: no error in front of a BMC that knows another password", what)
		}
		if !credentials.MatchString(err.Error()) {
			t.Errorf("%s: the message speaks neither of user nor of password: %v", what, err)
		}
	}, m)
	wantActions(t, m)
	if m.NextBoot != nil {
		if d, _ := m.NextBoot(); d != "" {
			t.Errorf("the BMC would boot %q, though it let nobody in", d)
		}
	}
}

// testIdle wants a BMC that says yes and does nothing to be believed: reading
// back is the use case's, which then sees the truth here.
func testIdle(t *testing.T, f Fixture) {
	for _, a := range f.Actions {
		m := start(t, f, Idle)
		on := a != pxepilot.ActionOn
		m.Press(on)
		if err := m.Controller.Do(within(t, patience), a); err != nil {
			t.Errorf("Do(%s): %v; want what the BMC said", a, err)
		}
		wantActions(t, m)
		if !f.State {
			continue
		}
		want := pxepilot.PowerOff
		if on {
			want = pxepilot.PowerOn
		}
		if got, err := m.Controller.State(within(t, patience)); err != nil || got != want {
			t.Errorf("State after %s = %q, %v; the machine is still %s", a, got, err, want)
		}
	}
}

// testMute wants an action that got no answer to be an error, and not to be
// tried again: the first try may have done it.
func testMute(t *testing.T, f Fixture) {
	var all sync.WaitGroup
	for _, a := range f.Actions {
		m := start(t, f, Mute)
		if a != pxepilot.ActionOn {
			m.Press(true)
		}
		all.Go(func() {
			// Long enough for a second try to be made, if one were.
			if err := m.Controller.Do(within(t, slack), a); err == nil {
				t.Errorf("Do(%s): no error, though the BMC did not answer", a)
			}
			_ = m.Controller.Close()
			wantActions(t, m, a)
		})
	}
	all.Wait()
}

func testNonsense(t *testing.T, f Fixture) {
	m := start(t, f, Nonsense)
	m.Press(true)
	f.every(func(what string, call func(context.Context) error) {
		// A driver that reads no answer to an action (a command, a packet)
		// cannot notice; a state must not be made of nonsense.
		if err := call(within(t, short)); err == nil && what == "State" {
			t.Error("State: no error from a BMC that answers nonsense")
		}
	}, m)
}
