package pilot

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// The timer wakes when it has to, and not much more often.
func TestExpireTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBookSite(t, "a", "b")
		once := func(host string, within time.Duration) {
			t.Helper()
			refs := named(host)
			refs[0].Once = Once{Then: "local", Within: within}
			if _, err := s.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: refs}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Expire(ctx) }()
		once("a", time.Hour)
		<-time.After(30 * time.Minute)
		once("b", 90*time.Second)
		for _, tt := range []struct {
			after time.Duration
			boots string
		}{
			{90*time.Second - time.Millisecond, "a ubuntu, b ubuntu"},
			{time.Millisecond, "a ubuntu, b local"},
			{30*time.Minute - 90*time.Second - time.Millisecond, "a ubuntu, b local"},
			{time.Millisecond, "a local, b local"},
		} {
			<-time.After(tt.after)
			synctest.Wait()
			s.boots(tt.boots)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// What is done after a switch of the timer is tried until it works.
func TestExpirePushes(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	pushes, fails := 0, true
	s.Pilot.site = func() *Site {
		x := s.root.site()
		x.AfterSwitch = func(context.Context) error {
			if pushes++; fails {
				return errors.New("no route to host")
			}
			return nil
		}
		return x
	}
	s.clock.pass(5 * time.Hour)
	for _, want := range []int{1, 1, 2, 2} {
		s.tick()
		if pushes != want {
			t.Errorf("%d pushes, want %d", pushes, want)
		}
		s.clock.pass(firstRetry / 2)
	}
	fails = false
	for range 10 {
		s.clock.pass(lastRetry)
		s.tick()
	}
	if pushes != 3 {
		t.Errorf("%d pushes", pushes)
	}
}

// The refusals of callbacks cannot fill the journal.
func TestManyRefusals(t *testing.T) {
	s := newOnceSite(t, "a")
	for range 1000 {
		_ = s.done("a", 0)
	}
	if n := len(s.journal.entries); n != mostRefusals {
		t.Errorf("%d entries", n)
	}
	s.clock.pass(time.Minute)
	for range 1000 {
		_ = s.failed("a")
	}
	if n := len(s.journal.entries); n != mostRefusals+10 {
		t.Errorf("%d entries a minute later", n)
	}
}
