package pilot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// What is done after a switch of the timer is tried until it works, and keeps nobody
// waiting.
func TestExpirePushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBookSite(t, "a", "b")
		var mu sync.Mutex
		pushes, fails := 0, true
		s.Pilot.site = func() *Site {
			x := s.root.site()
			x.AfterSwitch = func(context.Context) error {
				<-time.After(4 * time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if pushes++; fails {
					return errors.New("no route to host")
				}
				return nil
			}
			return x
		}
		for host, within := range map[string]time.Duration{"a": time.Minute, "b": 2 * time.Minute} {
			refs := named(host)
			refs[0].Once = Once{Then: "local", Within: within}
			if _, err := s.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: refs}); err != nil && pxepilot.ErrorCode(err) != pxepilot.Unavailable {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Expire(ctx) }()
		told := func() int {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return pushes
		}
		before := told()
		<-time.After(2*time.Minute + time.Second)
		synctest.Wait()
		s.boots("a local, b local")
		<-time.After(10 * time.Minute)
		if n := told() - before; n < 2 {
			t.Errorf("%d pushes", n)
		}
		mu.Lock()
		fails = false
		mu.Unlock()
		<-time.After(30 * time.Minute)
		last := told()
		<-time.After(time.Hour)
		if n := told(); n != last {
			t.Errorf("it is pushed again and again: %d", n-last)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// One host that cannot be switched keeps no other from it, neither those whose time
// was over with its own nor those later.
func TestOneHostKeepsNoOther(t *testing.T) {
	hosts := []string{"a", "b", "c", "d", "e", "f", "g"}
	s := newOnceSite(t, hosts...)
	s.arm(hosts[:6]...)
	s.arm("g")
	stuck := true
	s.root.refuse = func(st pxepilot.Step) error {
		if stuck && st.Host == "d" {
			return errors.New("no link can be made")
		}
		return nil
	}
	s.clock.pass(4 * time.Hour)
	s.tick()
	s.boots("a local, b local, c local, d ubuntu, e local, f local, g local")
	s.armed("d ubuntu>local")
	s.arm("a")
	s.clock.pass(4 * time.Hour)
	s.tick()
	s.boots("a local, b local, c local, d ubuntu, e local, f local, g local")
	if !slices.ContainsFunc(s.journal.told(), func(e string) bool {
		return strings.HasPrefix(e, "timeout by timer: not done, d ubuntu>local") && strings.HasSuffix(e, "!")
	}) {
		t.Errorf("%q", s.journal.told())
	}
	stuck = false
	s.clock.pass(lastRetry)
	s.tick()
	s.armed("")
}

// Where nothing can be switched, not everything is tried in one round.
func TestNoHostCanBeSwitched(t *testing.T) {
	var hosts []string
	for i := range 200 {
		hosts = append(hosts, fmt.Sprintf("h%03d", i))
	}
	s := newOnceSite(t, hosts...)
	s.arm(hosts...)
	s.root.beforeStep = func(int) error { return errors.New("read-only file system") }
	s.clock.pass(4 * time.Hour)
	entries := len(s.journal.entries)
	s.tick()
	if n := len(s.journal.entries) - entries; n > 20 {
		t.Errorf("%d tries", n)
	}
	entries = len(s.journal.entries)
	s.tick()
	if n := len(s.journal.entries) - entries; n != 0 {
		t.Errorf("%d tries at once after that", n)
	}
	for range 360 {
		s.clock.pass(longestSleep)
		s.tick()
	}
	if n := len(s.journal.entries) - entries; n > 200 {
		t.Errorf("%d entries in an hour", n)
	}
	s.root.beforeStep = nil
	s.clock.pass(lastRetry)
	s.tick()
	s.armed("")
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
