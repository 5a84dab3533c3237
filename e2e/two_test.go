package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// Two servers on one root exclude each other: each change is whole, whoever
// makes it.
func TestTwoServers(t *testing.T) {
	hosts := lab.Hosts(100, 2)
	site := newSite(t, hosts...)
	servers := map[string]*lab.Server{"local": site.Serve(t), "install": beside(t, site)}
	deploy(t, servers["local"], "local", hosts...)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for configuration, server := range servers {
		wg.Go(func() {
			for range 20 {
				_, err := server.Client.Deploy(ctx, configuration, apiv1.Change{Hosts: refs(hosts...)})
				var refused *client.Error
				if errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable {
					continue // it waited for the other one for 5 s
				}
				if err != nil {
					t.Errorf("deploy %s: %v", configuration, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if all := allBoot(t, site, hosts); all == "" {
		t.Error("some hosts boot what one server deployed, some what the other one did")
	}
	if found := lab.Leftovers(t, site.Root); len(found) > 0 {
		t.Errorf("left over: %q", found)
	}
	for _, server := range servers {
		if said := server.Said(); strings.Contains(said, "level=ERROR") || strings.Contains(said, "level=WARN") {
			t.Errorf("a server says:\n%s", said)
		}
	}
}

// beside starts a second server on a site. Each keeps a journal of its own, in which
// what the other one does is done by others.
func beside(t *testing.T, site *lab.Site) *lab.Server {
	t.Helper()
	other := *site
	other.State = site.State + "-other"
	return other.Serve(t)
}

// What a server was killed in the middle of, another one resolves before it
// changes anything itself.
func TestOneOfTwoServersKilled(t *testing.T) {
	hosts := lab.Hosts(500, 2)
	site := newSite(t, hosts...)
	other := site.Serve(t)
	deploy(t, other, "local", hosts...)
	for range 20 {
		victim := beside(t, site)
		go func() { // its answer is not of interest
			_, _ = victim.Client.Deploy(t.Context(), "install", apiv1.Change{Hosts: refs(hosts[1:]...)})
		}()
		lab.Until(t, "the plan is there", func() bool {
			return lab.Exists(site.Root+"/.pxe-pilot.plan") || mustBoot(t, site, hosts[len(hosts)-1]) == "install"
		})
		victim.Kill()
		cutOff := lab.Exists(site.Root + "/.pxe-pilot.plan")
		deploy(t, other, "local", hosts[0])
		if all := allBoot(t, site, hosts[1:]); all == "" {
			t.Error("some of the hosts are old and some new, after another server changed something")
		}
		deploy(t, other, "local", hosts...)
		if found := lab.Leftovers(t, site.Root); cutOff && len(found) > 0 {
			t.Errorf("left over: %q", found)
		}
		if cutOff {
			return
		}
	}
	t.Error("no kill came before the end of a deploy")
}

func mustBoot(t *testing.T, site *lab.Site, h lab.Host) string {
	t.Helper()
	boots, err := boot(site, h)
	if err != nil {
		t.Fatal(err)
	}
	return boots
}

// Who waits too long for another writer is told to try again.
func TestBusyRoot(t *testing.T) {
	t.Parallel()
	host := lab.Hosts(1, 1)[0]
	site := newSite(t, host)
	server := site.Serve(t)
	release := holdLock(t, site.Root)
	began := time.Now()
	got := ask(t, "PUT", server.URL+"/v1/configurations/local/deploy", `{"hosts":[{"name":"h1"}]}`)
	if says := got.message(t); got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(says, "try again") {
		t.Errorf("status %d: %s", got.status, says)
	}
	if took := time.Since(began); took < 4*time.Second || took > 10*time.Second {
		t.Errorf("that took %v, want about 5 s", took)
	}
	if lab.Exists(site.Link(host.MACs[0])) {
		t.Error("the host was deployed all the same")
	}
	release()
	deploy(t, server, "local", host)
}
