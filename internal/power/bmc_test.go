package power

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/power/ipmi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a driver says of a silent BMC is known as silence, whether its own tries
// or the deadline ended.
func TestSilenceOfADriverIsKnown(t *testing.T) {
	var m fakebmc.Machine
	secret := pxepilot.NewSecret("of-the-bmc")
	b, err := fakebmc.StartIPMI("127.0.0.1:0", fakebmc.Account{User: "pilot", Password: secret}, &m)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	b.SetSilent(true)
	c := ipmi.New(ipmi.Options{
		Name:        "h0",
		Address:     func(context.Context) (string, error) { return b.Addr().Addr().String(), nil },
		Port:        int(b.Addr().Port()),
		User:        "pilot",
		Password:    func() (pxepilot.Secret, error) { return secret, nil },
		CipherSuite: 17,
	})
	defer func() { _ = c.Close() }()
	if _, err := c.State(t.Context()); !isSilence(err) {
		t.Errorf("its tries ended: %v", err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.State(soon); !isSilence(err) {
		t.Errorf("the deadline ended: %v", err)
	}
}

// Hosts that share a BMC share its turn, also with those that a reload put in
// their place under other names.
func TestHostsThatShareABMCShareItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, inv, bmcs, all := newFleet(t, 4, Options{BMC: func(*pxepilot.Host) string { return "chassis" }})
		for _, b := range bmcs {
			b.delay = time.Second
		}
		var wg sync.WaitGroup
		ask := func(inv *pxepilot.Inventory) {
			for _, h := range inv.Hosts() {
				wg.Go(func() { _, _ = f.State(t.Context(), h) })
			}
			synctest.Wait()
		}
		reload := func(hosts ...*pxepilot.Host) *pxepilot.Inventory {
			next, err := pxepilot.NewInventory(hosts)
			if err != nil {
				t.Fatal(err)
			}
			f.Update(next)
			return next
		}
		ask(inv)
		reload() // and then it is back
		f.o.Make = func(h *pxepilot.Host) (Controller, error) { return bmcs[h.MACs[0][5]], nil }
		var renamed []*pxepilot.Host
		for _, h := range inv.Hosts() {
			other := *h
			other.Name = "new-" + h.Name
			renamed = append(renamed, &other)
		}
		began := time.Now()
		ask(reload(renamed...))
		wg.Wait()
		if all.most != 1 {
			t.Errorf("%d operations at a time on one BMC", all.most)
		}
		// One was under way; those that waited for their turn are refused.
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A session is closed late rather than never where another host's operation is
// under way at the BMC when its time is over.
func TestAnIdleSessionOfASharedBMCIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, inv, bmcs, _ := newFleet(t, 2, Options{Idle: 30 * time.Second, BMC: func(*pxepilot.Host) string { return "chassis" }})
		bmcs[1].delay = 2 * time.Second
		_, _ = f.State(t.Context(), inv.Hosts()[0])
		<-time.After(29 * time.Second)
		_, _ = f.State(t.Context(), inv.Hosts()[1])
		if n := bmcs[0].closes(); n != 0 {
			t.Errorf("closed %d times while the BMC was busy", n)
		}
		<-time.After(30 * time.Second)
		synctest.Wait()
		if n := bmcs[0].closes(); n != 1 {
			t.Errorf("closed %d times", n)
		}
	})
}

// A request means the machine of the configuration file that it began with: not
// one that has its name by now, and not what is in its place when its turn comes.
func TestARequestDoesNotReachAnotherMachine(t *testing.T) {
	const refusal = `host "h0": the configuration file changed what drives its power meanwhile; nothing was done`
	wired := func(at string) *pxepilot.Host {
		return &pxepilot.Host{Name: "h0", MACs: []pxepilot.MAC{{2, 0, 0, 0, 0, 0}}, IPMI: &pxepilot.IPMI{Hostname: at}}
	}
	for _, tt := range []struct {
		name   string
		reload string // where the host's BMC is then
		queued bool   // whether the request waits for its turn meanwhile
		want   string
	}{
		{"the same", "10.0.0.1", false, ""},
		{"another one", "10.0.0.2", false, refusal},
		{"the same, while it waits", "10.0.0.1", true, ""},
		{"another one, while it waits", "10.0.0.2", true, refusal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _, bmcs, _ := newFleet(t, 1, Options{Key: func(h *pxepilot.Host) string {
					if h.IPMI == nil {
						return "nothing"
					}
					return h.IPMI.Hostname
				}})
				load := func(h *pxepilot.Host) {
					inv, err := pxepilot.NewInventory([]*pxepilot.Host{h})
					if err != nil {
						t.Fatal(err)
					}
					f.Update(inv)
				}
				old := wired("10.0.0.1")
				load(old)
				var wg sync.WaitGroup
				var err error
				request := func() { wg.Go(func() { err = f.Do(t.Context(), old, pxepilot.ActionOn) }) }
				if tt.queued {
					bmcs[0].delay = time.Second
					wg.Go(func() { _, _ = f.State(t.Context(), old) })
					synctest.Wait()
					request()
					synctest.Wait()
				}
				load(wired(tt.reload))
				if !tt.queued {
					request()
				}
				wg.Wait()
				if got := pxepilot.ErrorMessage(err); got != tt.want || err != nil && pxepilot.ErrorCode(err) != pxepilot.Conflict {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if on := bmcs[0].state == pxepilot.PowerOn; on != (tt.want == "") {
					t.Errorf("the machine is %s", bmcs[0].state)
				}
			})
		})
	}
}

// What fails at an old address says nothing of a new one that is found meanwhile.
func TestAFailureOfAnOldAddressIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		at := "10.0.0.1"
		f, inv, bmcs, _ := newFleet(t, 1, Options{Address: func(*pxepilot.Host) string {
			mu.Lock()
			defer mu.Unlock()
			return at
		}})
		bmcs[0].delay, bmcs[0].err = 2*time.Second, errors.New("no answer")
		f.Known(t.Context()) // waits a second only
		mu.Lock()
		at = "10.0.0.2"
		mu.Unlock()
		f.Forget()
		<-time.After(2 * time.Second)
		synctest.Wait()
		bmcs[0].mu.Lock()
		bmcs[0].delay, bmcs[0].err = 0, nil
		bmcs[0].mu.Unlock()
		k, _ := f.Known(t.Context()).Of(inv.Hosts()[0])
		if got, want := fmt.Sprint(k.State, k.Problem, k.Address), fmt.Sprint(pxepilot.PowerOff, "", "10.0.0.2"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
