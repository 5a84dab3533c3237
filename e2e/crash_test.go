package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A server is killed in the middle of deploys of 1,000 hosts, again and again.
// Every name can be read all the time; a host is wholly old or new at every
// moment; the next start resolves what was cut off; what was acknowledged is never
// lost; and the journal tells all of it, and nothing else.
func TestKill(t *testing.T) {
	kills := 10
	if testenv.Soak() {
		kills = 200
	}
	hosts := lab.Hosts(1100, 2)
	settled, struck := hosts[:100], hosts[100:]
	site := newSite(t, hosts...)
	server := site.Serve(t)
	deploy(t, server, "local", hosts...)

	// Names are read in a random order, now and while no server runs.
	audience := watch(t, []func() (string, error){func() (string, error) {
		h := hosts[rand.IntN(len(hosts))]
		text, err := os.ReadFile(site.Link(h.MACs[rand.IntN(2)]))
		return string(text), err
	}})
	defer audience.end()

	took := duration(t, server, struck)
	var acknowledged, pending, divided int
	is := map[string]string{"settled": "local", "struck": "local"}
	other := map[string]string{"local": "install", "install": "local"}
	n := 0
	for ; n < kills || pending == 0 && n < 10*kills; n++ { // on a busy machine most come too early
		is["settled"] = other[is["settled"]]
		deploy(t, server, is["settled"], settled...)

		was, becomes := is["struck"], other[is["struck"]]
		answer := make(chan error, 1)
		go func() {
			_, err := server.Client.Deploy(t.Context(), becomes, apiv1.Change{Hosts: refs(struck...)})
			answer <- err
		}()
		delay := rand.N(took + took/5)
		<-time.After(delay)
		server.Kill()
		done := <-answer == nil
		if done {
			acknowledged++
		}
		if len(lab.Leftovers(t, site.Root)) > 0 {
			pending++
		}
		if allBoot(t, site, settled) != is["settled"] {
			t.Errorf("kill %d after %v: an acknowledged deploy was lost", n, delay)
		}
		if got := allBoot(t, site, struck); got == "" {
			divided++
		} else if done && got != becomes {
			t.Errorf("kill %d after %v: acknowledged, but all boot %s", n, delay, got)
		}

		server = site.Serve(t)
		if found := lab.Leftovers(t, site.Root); len(found) > 0 {
			t.Errorf("kill %d after %v: the next start left %q", n, delay, found)
		}
		is["struck"] = allBoot(t, site, struck)
		switch {
		case is["struck"] == "":
			t.Errorf("kill %d after %v: the next start left some hosts old and some new", n, delay)
		case done && is["struck"] == was:
			t.Errorf("kill %d after %v: an acknowledged deploy was undone", n, delay)
		}
		if allBoot(t, site, settled) != is["settled"] {
			t.Errorf("kill %d after %v: the next start changed hosts that were not concerned", n, delay)
		}
		tellsOf(t, server, struck[0], is["struck"], done)
		if t.Failed() {
			break
		}
	}
	audience.end()
	t.Logf("a deploy takes %v; of %d kills %d came after the answer, %d left something for the next start to resolve, %d some hosts old and some new; %d reads",
		took, n, acknowledged, pending, divided, audience.reads.Load())
	if audience.failed.Load()+audience.mixed.Load() > 0 {
		t.Errorf("%d reads failed, %d were mixed; the first: %v", audience.failed.Load(), audience.mixed.Load(), audience.first.Load())
	}
	if pending == 0 {
		t.Errorf("no kill hit the middle of a deploy: that proves nothing")
	}
}

// tellsOf looks whether the journal tells how a host came to boot what it does, with
// nothing that is still under way or was done by hand.
func tellsOf(t *testing.T, server *lab.Server, host lab.Host, boots string, acknowledged bool) {
	t.Helper()
	history, err := server.Client.History(t.Context(), apiv1.HistoryOptions{Host: host.Name})
	if err != nil {
		t.Error(err)
		return
	}
	said := ""
	for i, e := range history.Entries {
		switch {
		case e.What != "deploy", e.Result != "done" && e.Result != "not done":
			t.Errorf("the journal tells of %+v", e)
		case acknowledged && i == 0 && e.Result != "done":
			t.Errorf("an acknowledged deploy was %s by the journal: %s", e.Result, e.Error)
		case said == "" && e.Result == "done":
			said = e.Configuration
		}
	}
	if said != boots {
		t.Errorf("host %s boots %s, and by the journal %s", host.Name, boots, said)
	}
}

// duration measures a deploy: the median of a few.
func duration(t *testing.T, server *lab.Server, hosts []lab.Host) time.Duration {
	t.Helper()
	var took []time.Duration
	for range 3 {
		for _, c := range []string{"install", "local"} {
			began := time.Now()
			deploy(t, server, c, hosts...)
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// allBoot is the configuration that all hosts boot, or empty where they boot
// different ones. Each must be readable by each of its cards, and the same by
// all of them.
func allBoot(t *testing.T, site *lab.Site, hosts []lab.Host) string {
	t.Helper()
	all := ""
	for i, h := range hosts {
		boots, err := boot(site, h)
		if err != nil {
			t.Errorf("host %s: %v", h.Name, err)
		}
		switch {
		case i == 0:
			all = boots
		case all != boots:
			all = ""
		}
	}
	return all
}

// boot is what a host boots, whichever card it asks with.
func boot(site *lab.Site, h lab.Host) (string, error) {
	boots := ""
	for i, mac := range h.MACs {
		text, err := os.ReadFile(site.Link(mac))
		if err != nil {
			return "", err
		}
		name := ""
		for n, content := range contents {
			if string(text) == content {
				name = n
			}
		}
		if name == "" {
			return "", fmt.Errorf("%s gets %d bytes of no configuration", mac, len(text))
		}
		if i > 0 && name != boots {
			return "", fmt.Errorf("%s gets %s, another card %s", mac, name, boots)
		}
		boots = name
	}
	return boots, nil
}
