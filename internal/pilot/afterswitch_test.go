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

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

// Links, what is to be done after a switch, a look at every server, and only then
// the power of any machine.
func TestOrderOfADeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, site, power, disk := newVerified(t, &fakeMachine{state: on}, &fakeMachine{state: on}, &fakeMachine{state: off})
		var mu sync.Mutex
		var order []string
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(order, what) || order[len(order)-1] != what {
				order = append(order, what)
			}
		}
		site.AfterSwitch = func(context.Context) error {
			if !site.Root.(*fakeRoot).changed {
				t.Error("the links are not switched yet")
			}
			note("after")
			return nil
		}
		slow := &fakeServer{address: "10.0.0.3:69", disk: disk, slow: time.Second}
		site.Servers = append(site.Servers, slow)
		for _, s := range site.Servers {
			s.(*fakeServer).before = func(string) { note("fetch") }
		}
		power.before = func() { note("power") }
		disk.put(own(site.Inventory.ByName("h02")), "local")
		out, err := p.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: rebooting("h01", "h02", "h03"), Verify: ptr(true)})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"after", "fetch", "power"}, order); diff != "" {
			t.Error(diff)
		}
		want := []string{"h01 ubuntu YES", `h02 ubuntu host "h02" was not rebooted, for it would not boot what was deployed: 00:00:00:00:00:02 boots "local" by pxelinux now`, "h03 ubuntu YES"}
		if diff := cmp.Diff(want, rebooted(out)); diff != "" {
			t.Error(diff)
		}
		if done := power.doneTo("h02"); done != nil {
			t.Errorf("done to the host that is not served: %v", done)
		}
	})
}

// Every change that is accepted is followed by it, and no other.
func TestAfterSwitch(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change Change
		fails  error // of the TFTP root
		runs   int
	}{
		{"a deploy", Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: named("h01")}, nil, 1},
		{"a clear", Change{Want: pxepilot.Clear, Hosts: named("h01")}, nil, 1},
		{"a repair", Change{Want: pxepilot.Repair, All: true}, nil, 1},
		{"a dry run", Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: named("h01"), DryRun: true}, nil, 0},
		{"a refusal", Change{Want: pxepilot.Deploy, Configuration: "none", Hosts: named("h01")}, nil, 0},
		{"a root that is gone", Change{Want: pxepilot.Clear, Hosts: named("h01")}, pxepilot.Errorf(pxepilot.Unavailable, "gone"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, site, _, _ := newVerified(t, &fakeMachine{state: on})
			runs := 0
			site.AfterSwitch = func(context.Context) error { runs++; return nil }
			site.Root.(*fakeRoot).fails = tt.fails
			for range 2 { // nothing has to change the second time
				if _, err := p.Change(t.Context(), tt.change); (err == nil) != (tt.runs > 0 || tt.change.DryRun) {
					t.Error(err)
				}
			}
			if runs != 2*tt.runs {
				t.Errorf("it ran %d times", runs)
			}
		})
	}
}

func TestAfterSwitchFails(t *testing.T) {
	p, site, power, disk := newVerified(t, &fakeMachine{state: on}, &fakeMachine{state: on})
	site.AfterSwitch = func(context.Context) error {
		return pxepilot.Errorf(pxepilot.Unavailable, `the command ended with status 23: "no route to host"`)
	}
	hosts := append(rebooting("h01"), HostRef{Name: "h02"})
	out, err := p.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: hosts, Verify: ptr(true)})
	if err != nil {
		t.Fatal(err)
	}
	const says = "the links were switched, but deploy.after_switch failed, so that nothing was verified or rebooted: " +
		`the command ended with status 23: "no route to host"; mend that and repeat the request`
	if pxepilot.ErrorCode(out.AfterSwitch) != pxepilot.Unavailable || out.AfterSwitch.Error() != says {
		t.Error(out.AfterSwitch)
	}
	if diff := cmp.Diff([]string{`h01 ubuntu host "h01" was not rebooted, for deploy.after_switch failed`, "h02 ubuntu NO"}, rebooted(out)); diff != "" {
		t.Error(diff)
	}
	if out.Hosts[0].Verified || disk.looks > 0 || power.doneTo("h01") != nil || !site.Root.(*fakeRoot).changed {
		t.Errorf("%+v, looked %d times, %v", out.Hosts[0], disk.looks, power.doneTo("h01"))
	}
}

// It has its own time, and goes on for whoever gave up; then no machine is
// rebooted.
func TestAfterSwitchTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, site, power, _ := newVerified(t, &fakeMachine{state: on})
		deploy := func(ctx context.Context) *Outcome {
			out, err := p.Change(ctx, Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: rebooting("h01")})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		began := time.Now()
		site.AfterSwitch = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		if out := deploy(t.Context()); out.AfterSwitch == nil || time.Since(began) != 5*time.Minute {
			t.Errorf("%v after %s", out.AfterSwitch, time.Since(began))
		}
		site.AfterSwitch = func(ctx context.Context) error {
			<-time.After(4 * time.Minute)
			return ctx.Err()
		}
		if out := deploy(t.Context()); out.AfterSwitch != nil || !out.Hosts[0].Rebooted {
			t.Errorf("%+v", out)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		before := len(power.doneTo("h01"))
		out := deploy(ctx)
		if out.AfterSwitch != nil || out.Hosts[0].Rebooted || len(power.doneTo("h01")) != before {
			t.Errorf("%+v", out)
		}
	})
}

// Whenever who comes, and however long it takes: one runs at a time, everybody
// gets the result of a run that began after they came, and nobody waits for more
// than the rest of one and another one.
func TestTurnstile(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		arrivals := rapid.SliceOfN(rapid.IntRange(0, 50), 1, 12).Draw(rt, "arrivals")
		long := rapid.IntRange(1, 20).Draw(rt, "long")
		panics := rapid.Bool().Draw(rt, "panics")
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			var gate turnstile
			var mu sync.Mutex
			running, runs := false, 0
			type run struct{ began, ended time.Time }
			byResult := map[string]run{}
			complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
			began := time.Now()
			var all sync.WaitGroup
			for i, at := range arrivals {
				all.Go(func() {
					<-time.After(time.Duration(at) * time.Second)
					came := time.Now()
					err := func() (err error) {
						defer func() {
							if r := recover(); r != nil {
								err = errors.New(r.(string))
							}
						}()
						return gate.pass(func() error {
							mu.Lock()
							if running {
								complain("two run at a time")
							}
							running = true
							runs++
							name, start := fmt.Sprint("run ", runs), time.Now()
							mu.Unlock()
							<-time.After(time.Duration(long)*time.Second + time.Millisecond)
							mu.Lock()
							defer mu.Unlock()
							running, byResult[name] = false, run{start, time.Now()}
							if panics && runs%2 == 0 {
								panic(name)
							}
							return errors.New(name)
						})
					}()
					mu.Lock()
					defer mu.Unlock()
					if errors.Is(err, errUnfinished) && panics {
						return
					}
					r, ok := byResult[fmt.Sprint(err)]
					switch took := time.Since(came); {
					case !ok:
						complain("caller %d got %v", i, err)
					case r.began.Before(came):
						complain("caller %d came at %s and got a run that began before", i, came.Sub(began))
					case took > time.Duration(2*long+1)*time.Second:
						complain("caller %d waited %s", i, took)
					}
				})
			}
			all.Wait()
			if len(arrivals) == 12 && slices.Max(arrivals) < long && runs > 2 {
				complain("%d runs, though all came during the first one", runs)
			}
		})
		if len(wrong) > 0 {
			rt.Fatal(strings.Join(wrong, "\n"))
		}
	})
}
