package pilot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

// A switch between the two looks is no difference.
func TestSwitchInBetween(t *testing.T) {
	p, site, _, disk := newVerified(t, &fakeMachine{})
	h := site.Inventory.ByName("h01")
	site.Servers[0].(*fakeServer).before = func(path string) {
		if path == own(h) {
			disk.put(path, "debian")
		}
	}
	e, err := p.Explain(t.Context(), "h01", true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"SERVED"}, given(e)); diff != "" {
		t.Error(diff)
	}
	if disk.looks != 2 || e.Searches[0].Configuration != "debian" {
		t.Errorf("looked %d times: %+v", disk.looks, e)
	}
}

// Neither are many of them.
func TestSwitchesInBetween(t *testing.T) {
	for _, tt := range []struct {
		times int
		want  string
		looks int
	}{
		{6, "SERVED", 7},
		{1000, "other content of pxelinux.cfg/01-00-00-00-00-00-01 than the disk has (2 bytes, but not the same); is the server's copy behind, or its directory another one?", 1 + looks},
	} {
		p, site, _, disk := newVerified(t, &fakeMachine{})
		h := site.Inventory.ByName("h01")
		n := 0
		site.Servers[0].(*fakeServer).before = func(path string) {
			if path == own(h) && n < tt.times {
				n++
				disk.put(path, fmt.Sprint("c", n%10))
			}
		}
		e, err := p.Explain(t.Context(), "h01", true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{tt.want}, given(e)); diff != "" || disk.looks != tt.looks {
			t.Errorf("looked %d times: %s", disk.looks, diff)
		}
	}
}

// What every server gives counts for more than what the disk lets one fear.
func TestServedThoughClosed(t *testing.T) {
	const mine = "pxelinux.cfg/01-00-00-00-00-00-01"
	all := map[string]string{mine: "closed ubuntu", "pxelinux.cfg/default": "local"}
	for _, tt := range []struct {
		name    string
		servers []map[string]string
		served  bool
	}{
		{"by one", []map[string]string{all}, true},
		{"by all", []map[string]string{all, all}, true},
		{"not by all", []map[string]string{all, {"pxelinux.cfg/default": "local"}}, false},
		{"by none", []map[string]string{{"pxelinux.cfg/default": "local"}}, false},
		{"with other content", []map[string]string{{mine: "closed debian"}}, false},
		{"behind something else", []map[string]string{{mine: "closed ubuntu", "pxelinux.cfg/uuid-a-h01": "x"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, site, _, disk := newVerified(t, &fakeMachine{})
			disk.files, disk.deployed, site.Servers = maps.Clone(all), "ubuntu", nil
			for i, files := range tt.servers {
				site.Servers = append(site.Servers, &fakeServer{address: fmt.Sprintf("10.0.0.%d:69", i+2), files: files})
			}
			e, err := p.Explain(t.Context(), "h01", true)
			if err != nil {
				t.Fatal(err)
			}
			s := e.Searches[0]
			if e.AsDeployed() != tt.served || served(&s) && !tt.served && s.Configuration != "local" {
				t.Errorf("as deployed: %t; %+v", e.AsDeployed(), s)
			}
			if tt.served && (s.Content != "closed ubuntu" || s.Reasons != nil ||
				!slices.Equal(s.Warnings, []string{"every TFTP server gives it by now, though the disk lets one fear otherwise: its own is closed"})) {
				t.Errorf("%+v", s)
			}
			out, err := p.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: named("h01"), Verify: ptr(true)})
			if err != nil || (out.Hosts[0].Unserved == nil) != tt.served || tt.served && !slices.Equal(out.Hosts[0].Warnings, s.Warnings) {
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
}

// All that goes with a file counts.
func TestParts(t *testing.T) {
	const mine, config, command = "pxelinux.cfg/01-00-00-00-00-00-01", "d126b1f0/config.txt", "d126b1f0/cmdline.txt"
	for _, tt := range []struct {
		name   string
		server map[string]string
		want   string
	}{
		{"all", map[string]string{config: "closed b", command: "b"}, "SERVED"},
		{"another one", map[string]string{config: "closed a", command: "b"}, "other content of " + config + " than the disk has (8 bytes, but not the same);"},
		{"a longer one", map[string]string{config: "closed b", command: "b and more"}, "other content of " + command + " than the disk has (more than 1 bytes in place of 1);"},
		{"without one", map[string]string{command: "b"}, "not all that goes with it: " + config + " is not found there;"},
	} {
		p, site, _, disk := newVerified(t, &fakeMachine{})
		disk.parts = []string{config, command}
		disk.put(config, "closed b")
		disk.put(command, "b")
		tt.server[mine] = "ubuntu"
		site.Servers = []TFTPServer{&fakeServer{address: "10.0.0.2:69", files: tt.server}}
		e, err := p.Explain(t.Context(), "h01", true)
		if err != nil {
			t.Fatal(err)
		}
		if got := given(e); len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// A client that leaves, or shuts down its sending side, changes nothing about what
// is verified. One that only wants to know is told that it gave up.
func TestVerifyForWhoLeft(t *testing.T) {
	p, site, _, disk := newVerified(t, &fakeMachine{})
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { cancel() }()
	site.Servers[0].(*fakeServer).before = func(string) { cancel() }
	out, err := p.Change(ctx, Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: named("h01"), Verify: ptr(true)})
	if err != nil || !out.Hosts[0].Verified || out.Hosts[0].Unserved != nil {
		t.Errorf("%+v, %v", out, err)
	}
	for _, when := range []func(){
		func() { site.Servers[0].(*fakeServer).before = func(string) { cancel() } },
		func() { site.Servers[0].(*fakeServer).before = nil; disk.looked = func() { cancel() } },
	} {
		ctx, cancel = context.WithCancel(t.Context())
		when()
		e, err := p.Explain(ctx, "h01", true)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"? 10.0.0.2:69 was not asked for everything, for the request was given up"}, given(e)); diff != "" {
			t.Error(diff)
		}
	}
}

// A server that does not answer costs its time once, and holds up no other. One
// that stops answering in between costs it a few times.
func TestDeadServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var machines []*fakeMachine
		for range 98 {
			machines = append(machines, &fakeMachine{})
		}
		p, site, _, disk := newVerified(t, machines...)
		dead := &fakeServer{address: "10.0.0.3:69", silent: true}
		dying := &fakeServer{address: "10.0.0.4:69", disk: disk}
		dying.before = func(string) {
			dying.mu.Lock()
			defer dying.mu.Unlock()
			dying.silent = len(dying.asked) > 30
		}
		site.Servers = append(site.Servers, dead, dying)
		began := time.Now()
		all, err := p.ExplainAll(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]int{}
		for i := range all {
			for j, g := range given(&all[i]) {
				told[fmt.Sprint(j+1, " ", g)]++
			}
		}
		if told["1 SERVED"] != 99 || told["2 ? TFTP server 10.0.0.3:69 does not answer"] != 99 ||
			told["3 SERVED"] == 0 || told["3 SERVED"]+told["3 ? TFTP server 10.0.0.4:69 does not answer"] != 99 {
			t.Error(told)
		}
		if len(dead.wasAsked()) != 1 {
			t.Errorf("the dead one was asked %d times", len(dead.wasAsked()))
		}
		if took := time.Since(began); took > 3*patience {
			t.Errorf("it took %s", took)
		}
	})
}

// Whatever servers do, there is an end.
func TestSlowServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, site, power, _ := newVerified(t, &fakeMachine{state: on}, &fakeMachine{state: on})
		site.Servers[0].(*fakeServer).slow = 21 * time.Second
		began := time.Now()
		out, err := p.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: rebooting("h01", "h02"), Verify: ptr(true)})
		if err != nil {
			t.Fatal(err)
		}
		const over = "10.0.0.2:69 was not asked for everything before the time for it was over"
		if diff := cmp.Diff([]string{"h01: " + over, "h02: " + over}, unservedBy(out)); diff != "" {
			t.Error(diff)
		}
		if done := append(power.doneTo("h01"), power.doneTo("h02")...); done != nil {
			t.Errorf("rebooted nevertheless: %v", done)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// unservedBy tells which hosts were found not to be served, and why.
func unservedBy(o *Outcome) []string {
	var list []string
	for _, r := range o.Hosts {
		if r.Unserved != nil {
			list = append(list, r.Host+": "+r.Unserved.Error())
		}
	}
	return list
}

func TestVerifiedDeploys(t *testing.T) {
	const mine = "pxelinux.cfg/01-00-00-00-00-00-01"
	none := func(*Site, *fakeDisk) {}
	for _, tt := range []struct {
		name   string
		edit   func(*Site, *fakeDisk)
		change Change
		want   []string
	}{
		{"served", none, Change{Verify: ptr(true)}, nil},
		{"by the file", func(s *Site, d *fakeDisk) { s.Verify = true; delete(d.files, mine) }, Change{},
			[]string{"h01: 00:00:00:00:00:01 boots \"local\" by pxelinux now"}},
		{"not by the file", func(s *Site, d *fakeDisk) { s.Verify = true; delete(d.files, mine) }, Change{Verify: ptr(false)}, nil},
		{"not served", func(s *Site, _ *fakeDisk) {
			s.Servers[0] = &fakeServer{address: "10.0.0.2:69", fails: map[string]error{}}
		}, Change{Verify: ptr(true)},
			[]string{"h01: 10.0.0.2:69 gives 00:00:00:00:00:01 nothing: " + mine + " is not found there; look at the directory that the server serves, whether it is up to date, and at its permissions (with SELinux, at its labels)"}},
		{"something else is in front", func(_ *Site, d *fakeDisk) { d.files["pxelinux.cfg/uuid-a-h01"] = "other" }, Change{Verify: ptr(true)},
			[]string{"h01: the file of its UUID comes first; remove it"}},
		{"somebody else deployed something", func(_ *Site, d *fakeDisk) { d.files[mine] = "local" }, Change{Verify: ptr(true)},
			[]string{`h01: 00:00:00:00:00:01 boots "local" by pxelinux now`}},
		{"somebody else removed everything", func(_ *Site, d *fakeDisk) { clear(d.files) }, Change{Verify: ptr(true)},
			[]string{"h01: 00:00:00:00:00:01 gets no configuration by pxelinux now"}},
		{"one of several is dead", func(s *Site, _ *fakeDisk) {
			s.Servers = append(s.Servers, &fakeServer{address: "10.0.0.3:69", silent: true})
		}, Change{Verify: ptr(true)}, []string{"h01: TFTP server 10.0.0.3:69 does not answer"}},
		{"all of several", func(s *Site, d *fakeDisk) {
			delete(d.files, mine)
			for i := range 3 {
				s.Servers = append(s.Servers, &fakeServer{address: fmt.Sprintf("10.0.0.%d:69", i+3), silent: true})
			}
		}, Change{Verify: ptr(true)}, []string{`h01: 00:00:00:00:00:01 boots "local" by pxelinux now; and 3 more, which 'pxe-pilot host explain h01 --verify' tells`}},
		{"the root cannot be read any more", func(_ *Site, d *fakeDisk) { d.fails = pxepilot.Errorf(pxepilot.Unavailable, "the TFTP root is gone") }, Change{Verify: ptr(true)},
			[]string{"h01: the TFTP root is gone"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, site, power, disk := newVerified(t, &fakeMachine{state: on}, &fakeMachine{state: on})
				tt.edit(site, disk)
				c := tt.change
				c.Want, c.Configuration, c.Hosts = pxepilot.Deploy, "ubuntu", rebooting("h01")
				out, err := p.Change(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, unservedBy(out)); diff != "" {
					t.Error(diff)
				}
				r := out.Hosts[0]
				verified := c.Verify == nil && site.Verify || c.Verify != nil && *c.Verify
				if r.Verified != verified || r.Rebooted != (tt.want == nil) || r.Rebooted != slices.Contains(power.doneTo("h01"), "reset") {
					t.Errorf("%+v, and the machine got %v", r, power.doneTo("h01"))
				}
				if tt.want != nil && r.Problem.Error() != `host "h01" was not rebooted, for it would not boot what was deployed: `+r.Unserved.Error() {
					t.Error(r.Problem)
				}
			})
		})
	}
}

// A script that leads on must be the one that the disk has, and there.
func TestVerifyScripts(t *testing.T) {
	const stub, mine = "grub/grub.cfg", "grub/host/01-00-00-00-00-00-01"
	disk := &fakeDisk{files: map[string]string{stub: "configfile", mine: "ubuntu"}}
	search := pxepilot.Search{Naming: pxepilot.BesideBoot, Wins: 1, Configuration: "ubuntu", Asks: []pxepilot.Ask{
		{Paths: []string{stub}, By: pxepilot.ByScript, Found: pxepilot.Readable, Path: stub},
		{Paths: []string{mine}, By: pxepilot.ByMAC, Found: pxepilot.Readable, Path: mine},
		{Paths: []string{"grub/host/default"}, By: pxepilot.ByDefault, Found: pxepilot.Absent},
	}}
	for _, tt := range []struct {
		name   string
		server map[string]string
		want   string
		asked  []string
	}{
		{"as it should be", disk.files, "", []string{stub, mine}},
		{"no script", map[string]string{mine: "ubuntu"}, "nothing: grub/grub.cfg is not found there;", []string{stub}},
		{"another script", map[string]string{stub: "another", mine: "ubuntu"}, "other content of grub/grub.cfg than the disk has (7 bytes in place of 10);", []string{stub}},
		{"nothing that it leads to", map[string]string{stub: "configfile"}, "nothing: " + mine + " is not found there;", []string{stub, mine, "grub/host/default"}},
	} {
		p := &poll{server: &fakeServer{files: tt.server}, files: disk}
		v := p.verify(t.Context(), &search)
		if v.Served != (tt.want == "") || !strings.HasPrefix(v.Got, tt.want) || v.Err != nil {
			t.Errorf("%s: %+v", tt.name, v)
		}
		if diff := cmp.Diff(tt.asked, v.Asked); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// What cannot be verified is refused before anything is switched.
func TestVerifyRefused(t *testing.T) {
	for _, tt := range []struct {
		change Change
		server bool
		code   pxepilot.Code
	}{
		{Change{Want: pxepilot.Deploy, Verify: ptr(true)}, false, pxepilot.Conflict},
		{Change{Want: pxepilot.Deploy, Verify: ptr(true), DryRun: true}, false, pxepilot.Conflict},
		{Change{Want: pxepilot.Clear, Verify: ptr(true)}, true, pxepilot.Invalid},
		{Change{Want: pxepilot.Repair, Verify: ptr(true)}, true, pxepilot.Invalid},
	} {
		p, site, _, _ := newVerified(t, &fakeMachine{})
		if !tt.server {
			site.Servers = nil
		}
		tt.change.Configuration, tt.change.Hosts = "ubuntu", named("h01")
		out, err := p.Change(t.Context(), tt.change)
		if out != nil || pxepilot.ErrorCode(err) != tt.code || site.Root.(*fakeRoot).changed {
			t.Errorf("%+v: %+v, %v", tt.change, out, err)
		}
	}
}

// A dropped loader, which the configuration has no variant for, is not missed.
func TestVerifyDroppedLoaders(t *testing.T) {
	e := &pxepilot.Explanation{Searches: []pxepilot.Search{{Bootloader: "pxelinux", Configuration: "a"}, {Bootloader: "grub", Reasons: []string{"nothing there"}}}}
	if err := unserved(e, pxepilot.Configuration{Name: "a", Bootloaders: []string{"pxelinux"}}); err != nil {
		t.Error(err)
	}
	if err := unserved(e, pxepilot.Configuration{Name: "a", Bootloaders: []string{"pxelinux", "grub"}}); err == nil || err.Error() != "nothing there" {
		t.Error(err)
	}
	e.Searches[0].Unsure, e.Searches[0].Reasons = true, []string{"who knows"}
	if err := unserved(e, pxepilot.Configuration{Name: "a", Bootloaders: []string{"pxelinux"}}); err == nil || err.Error() != "who knows" {
		t.Error(err)
	}
}

// Whatever disk and servers have: a server serves just where a machine that asks
// for one name after the other gets the same from it as from the disk.
func TestVerificationAtRandom(t *testing.T) {
	contents := rapid.SampledFrom([]string{"", "", "ubuntu", "local", "ubuntu 2"})
	rapid.Check(t, func(rt *rapid.T) {
		p, site, _, disk := newVerified(t, &fakeMachine{}, &fakeMachine{})
		disk.files = map[string]string{}
		server := &fakeServer{address: "10.0.0.2:69", files: map[string]string{}}
		site.Servers = []TFTPServer{server}
		boots := func(h *pxepilot.Host, files map[string]string) string {
			for _, name := range []string{"uuid-a-" + h.Name, "uuid-b-" + h.Name, "01-" + h.MACs[0].Dashed(), "default"} {
				if content, ok := files["pxelinux.cfg/"+name]; ok {
					return name + ": " + content
				}
			}
			return "nothing"
		}
		hosts := site.Inventory.Hosts()
		for _, h := range hosts {
			for _, name := range []string{"pxelinux.cfg/uuid-a-" + h.Name, "pxelinux.cfg/uuid-b-" + h.Name, own(h), "pxelinux.cfg/default", "pxelinux.cfg/0A000001"} {
				for _, files := range []map[string]string{disk.files, server.files} {
					if content := contents.Draw(rt, name); content != "" {
						files[name] = content
					}
				}
			}
		}
		all, err := p.ExplainAll(context.Background(), true)
		if err != nil {
			rt.Fatal(err)
		}
		for i, h := range hosts {
			want := boots(h, disk.files) == boots(h, server.files)
			if v := all[i].Searches[0].Servers[0]; v.Served != want || v.Served != (v.Got == "") || v.Err != nil {
				rt.Errorf("the disk gives %q, the server %q: %+v", boots(h, disk.files), boots(h, server.files), v)
			}
		}
	})
}
