package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/cli/clitest"
)

// A fakeSite answers the API as a server would whose TFTP root has canonical
// links for PXELINUX, and says no in the server's words. It is a model for tests
// of the command line only: it knows nothing of files.
type fakeSite struct {
	mu             sync.Mutex
	hosts          []apiv1.Host
	configurations []apiv1.Configuration
	bootloaders    []apiv1.Bootloader
	contents       map[string][]apiv1.Variant
	bmcs           map[string]*fakeBMC // by host name
	driven         []string            // power actions that were done, in order
	sweep          apiv1.Discovery
	tftp           *fakeTFTP // nil where no TFTP server is known
	entries        []apiv1.Entry
	unpushed       string // why what comes after a switch fails
	generation     uint64
	rules          map[string]string // what comes after a configuration
}

// newFakeSite is the site of clitest.Site.
func newFakeSite() *fakeSite {
	s := &fakeSite{
		bootloaders: []apiv1.Bootloader{{Name: "pxelinux", Links: []string{"pxelinux.cfg/01-{mac}"}}},
		contents:    map[string][]apiv1.Variant{},
	}
	for name, content := range clitest.Configurations {
		s.configurations = append(s.configurations, apiv1.Configuration{Name: name})
		s.contents[name] = []apiv1.Variant{{Bootloader: "pxelinux", Content: content}}
	}
	slices.SortFunc(s.configurations, func(a, b apiv1.Configuration) int { return strings.Compare(a.Name, b.Name) })
	s.hosts = []apiv1.Host{
		{Name: "h1", MACAddresses: []string{"00:00:00:00:00:01"}},
		{Name: "h2", MACAddresses: []string{"00:00:00:00:00:02"}, IPMI: &apiv1.IPMI{MACAddress: "00:00:00:00:00:a2"}},
		{Name: "h3", MACAddresses: []string{"00:00:00:00:00:03", "00:00:00:00:00:33"}, Labels: map[string]string{"rack": "a"}},
	}
	for i, configuration := range []string{"local", "", "local"} {
		s.boot(&s.hosts[i], configuration)
	}
	s.bmcs = map[string]*fakeBMC{"h2": {problem: unknown}}
	s.record("deploy", "local", 0, []apiv1.Switch{
		{Host: "h1", Before: apiv1.Boot{State: "none"}, After: bootOf(&s.hosts[0])},
		{Host: "h3", Before: apiv1.Boot{State: "none"}, After: bootOf(&s.hosts[2])},
	})
	return s
}

// boot gives a host the links of a configuration, or none.
func (s *fakeSite) boot(h *apiv1.Host, configuration string) []apiv1.Step {
	var steps []apiv1.Step
	before := map[string]string{}
	for _, l := range h.Links {
		before[l.Path] = l.Target
	}
	h.Configuration, h.State, h.Canonical, h.Links = nil, "none", configuration != "", nil
	if configuration != "" {
		h.Configuration, h.State = &apiv1.ConfigurationRef{Name: configuration}, "configured"
	}
	first := pathOf(h.MACAddresses[0])
	for i, mac := range h.MACAddresses {
		l := apiv1.Link{Bootloader: "pxelinux", MACAddress: mac, Path: pathOf(mac), State: h.State, Configuration: configuration}
		switch {
		case configuration == "":
		case i == 0:
			l.Target = "conf/" + configuration
		default:
			l.Target, l.Through = strings.TrimPrefix(first, "pxelinux.cfg/"), []string{first}
		}
		h.Links = append(h.Links, l)
		if was := before[l.Path]; was != l.Target {
			steps = append(steps, apiv1.Step{Host: h.Name, Bootloader: "pxelinux", Path: l.Path, Was: was, Becomes: l.Target})
		}
	}
	if configuration == "" {
		slices.Reverse(steps) // further addresses first
	}
	return steps
}

func pathOf(mac string) string { return "pxelinux.cfg/01-" + strings.ReplaceAll(mac, ":", "-") }

func (s *fakeSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mux := http.NewServeMux()
	checked := func(of string, h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := pxepilot.CheckName(r.PathValue("name")); err != nil {
				refuse(w, http.StatusBadRequest, "%s: %v", of, err)
				return
			}
			h(w, r)
		}
	}
	mux.HandleFunc("GET /v1/configurations", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, apiv1.Configurations{Configurations: s.configurations})
	})
	mux.HandleFunc("GET /v1/configurations/{name}", checked("configuration", func(w http.ResponseWriter, r *http.Request) {
		variants, ok := s.contents[r.PathValue("name")]
		if !ok {
			s.noConfiguration(w, r.PathValue("name"))
			return
		}
		content := apiv1.ConfigurationContent{Name: r.PathValue("name"), Content: variants[0].Content, Variants: variants}
		if b := r.URL.Query().Get("bootloader"); b != "" {
			i := slices.IndexFunc(variants, func(v apiv1.Variant) bool { return v.Bootloader == b })
			if i < 0 {
				refuse(w, http.StatusNotFound, "configuration %q has no variant for bootloader %q", content.Name, b)
				return
			}
			content.Content, content.Variants = variants[i].Content, nil
		}
		if len(variants) == 1 {
			content.Variants = nil
		}
		answer(w, content)
	}))
	mux.HandleFunc("PUT /v1/configurations/{name}/deploy", checked("configuration", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		if _, ok := s.contents[name]; !ok {
			s.noConfiguration(w, name)
			return
		}
		s.change(w, r, "deploy", name, func(apiv1.Host) string { return name })
	}))
	mux.HandleFunc("PUT /v1/clear", func(w http.ResponseWriter, r *http.Request) {
		s.change(w, r, "clear", "", func(apiv1.Host) string { return "" })
	})
	mux.HandleFunc("PUT /v1/repair", func(w http.ResponseWriter, r *http.Request) {
		s.change(w, r, "repair", "", func(h apiv1.Host) string {
			for _, l := range h.Links {
				if l.Configuration != "" {
					return l.Configuration
				}
			}
			return ""
		})
	})
	mux.HandleFunc("GET /v1/hosts", func(w http.ResponseWriter, r *http.Request) {
		hosts := slices.Clone(s.hosts)
		for i := range hosts {
			if r.URL.Query().Get("status") != "false" {
				hosts[i] = s.withPower(hosts[i])
			}
		}
		answer(w, append([]apiv1.Host{}, hosts...))
	})
	mux.HandleFunc("GET /v1/hosts/{name}", checked("host", func(w http.ResponseWriter, r *http.Request) {
		if h := s.find(w, r.PathValue("name")); h != nil {
			answer(w, s.withPower(*h))
		}
	}))
	s.handlePower(mux, checked)
	s.handleExplain(mux, checked)
	s.handleHistory(mux, checked)
	s.handleOnce(mux)
	mux.HandleFunc("GET /v1/bootloaders", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, apiv1.Bootloaders{Bootloaders: s.bootloaders})
	})
	mux.ServeHTTP(w, r)
}

// change is what deploy, clear and repair share; want tells what a host boots
// afterwards.
func (s *fakeSite) change(w http.ResponseWriter, r *http.Request, what, configuration string, want func(apiv1.Host) string) {
	var c apiv1.Change
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil || r.Header.Get("Prefer") != "return=representation" {
		refuse(w, http.StatusBadRequest, "malformed: %v", err)
		return
	}
	if c.All {
		for _, h := range s.hosts {
			c.Hosts = append(c.Hosts, apiv1.HostRef{Name: h.Name})
		}
	}
	for _, why := range []string{atOnce(c), s.unverifiable(c.Verify)} {
		if why != "" {
			refuse(w, http.StatusConflict, "%s", why)
			return
		}
	}
	out := apiv1.Outcome{Hosts: []apiv1.HostOutcome{}}
	var refused []string
	var moves []func()
	var switches []apiv1.Switch
	seen := map[string]bool{}
	for i, ref := range c.Hosts {
		if err := pxepilot.CheckName(ref.Name); err != nil {
			refuse(w, http.StatusBadRequest, "host %d of the list: %v", i+1, err)
			return
		}
		h := s.find(w, ref.Name)
		if h == nil {
			return
		}
		if seen[h.Name] {
			refuse(w, http.StatusConflict, "host %q is named twice", h.Name)
			return
		}
		seen[h.Name] = true
		result := apiv1.HostOutcome{Name: h.Name, Rebooted: "NO"}
		if why := s.against(h, want(*h), c); why != "" {
			refused = append(refused, why)
			result.Refused = why
		} else {
			result.Configuration = want(*h)
			next := *h
			steps := s.boot(&next, result.Configuration)
			if what != "repair" {
				var ok bool
				if next.Armed, ok = s.arm(w, configuration, ref, c.DryRun); !ok {
					return
				}
				result.Armed, result.Ended = next.Armed, oneShot(h.Armed)
			}
			if h.State == "unmanaged" {
				steps[0].Keep = steps[0].Path + ".orig-20261122T142500Z"
			}
			out.Steps = append(out.Steps, steps...)
			moves = append(moves, func() {
				switches = append(switches, apiv1.Switch{Host: h.Name, Before: bootOf(h), After: bootOf(&next), Armed: oneShot(next.Armed), Ended: oneShot(h.Armed)})
				*h = next
			})
		}
		out.Hosts = append(out.Hosts, result)
	}
	if len(refused) > 0 && (!c.SkipRefused || len(moves) == 0) {
		refuse(w, http.StatusConflict, "%s", strings.Join(refused, "; "))
		return
	}
	if !c.DryRun {
		out.Steps = nil
		for _, move := range moves {
			move()
		}
		s.record(what, configuration, 0, switches)
		s.afterSwitch(c, &out)
		s.rebootAll(c.Hosts, &out)
	}
	answer(w, out)
}

// against says what is against a change of a host.
func (s *fakeSite) against(h *apiv1.Host, configuration string, c apiv1.Change) string {
	if h.State == "unmanaged" && !c.Force {
		return fmt.Sprintf("host %q: %s is not a link but somebody else's file; move it away, or have it kept beside with --force",
			h.Name, h.Links[0].Path)
	}
	for _, x := range s.configurations {
		if x.Name == configuration && len(x.Bootloaders) == 1 && len(s.bootloaders) > 1 && !c.DropUncovered {
			return fmt.Sprintf("host %q: configuration %q has no variant for its loader grub, which would fall to its default; "+
				"add the variant, list the host's bootloaders in the file, or accept it with --drop-uncovered", h.Name, configuration)
		}
	}
	return ""
}

// find finds a host as the server does, or answers 404.
func (s *fakeSite) find(w http.ResponseWriter, ref string) *apiv1.Host {
	var names []string
	for i := range s.hosts {
		if s.hosts[i].Name == ref {
			return &s.hosts[i]
		}
		names = append(names, s.hosts[i].Name)
	}
	if m, err := pxepilot.ParseMAC(ref); err == nil {
		for i := range s.hosts {
			if slices.Contains(s.hosts[i].MACAddresses, m.String()) {
				return &s.hosts[i]
			}
		}
	}
	refuse(w, http.StatusNotFound, "host %s not found%s", pxepilot.Quote(ref), pxepilot.DidYouMean(ref, names))
	return nil
}

func (s *fakeSite) noConfiguration(w http.ResponseWriter, name string) {
	var names []string
	for _, c := range s.configurations {
		names = append(names, c.Name)
	}
	refuse(w, http.StatusNotFound, "configuration %s not found%s", pxepilot.Quote(name), pxepilot.DidYouMean(name, names))
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", "00c0ffee00c0ffee")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(apiv1.Error{Message: fmt.Sprintf(format, args...)})
}

// refusing answers everything with one refusal.
func refusing(status int, message string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, "%s", message) })
}

// serve starts a server for as long as the test runs.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// odd is a site of all that is out of the ordinary: declared bootloaders, every
// state, a BMC that answers, names that must not reach a terminal.
func odd() *fakeSite {
	s := newFakeSite()
	s.bootloaders = []apiv1.Bootloader{
		{Name: "pxelinux", File: "pxelinux.0", ConfigPath: "pxelinux.cfg/", Links: []string{"pxelinux.cfg/01-{mac}"}},
		{Name: "grub", Kind: "grub", File: "boot/grub/x86_64-efi/core.efi", Links: []string{"boot/grub/grub.cfg-01-{mac}"}},
	}
	s.configurations = []apiv1.Configuration{
		{Name: "bare"},
		{Name: "local", Bootloaders: []string{"pxelinux", "grub"}},
		{Name: "memtest", Bootloaders: []string{"pxelinux"}},
	}
	s.contents["local"] = []apiv1.Variant{
		{Bootloader: "pxelinux", Content: "LOCALBOOT 0"},
		{Bootloader: "grub", Content: "exit\n"},
	}
	s.contents["memtest"] = []apiv1.Variant{{Bootloader: "pxelinux", Content: "\x0c\x1b[31mKERNEL memtest\tx\r\n"}}
	s.hosts = s.hosts[:1]
	for i, state := range []string{"partial", "mixed", "dangling", "foreign", "unmanaged", "entangled"} {
		mac := fmt.Sprintf("00:00:00:00:01:%02x", i)
		s.hosts = append(s.hosts, apiv1.Host{
			Name: state, State: state, MACAddresses: []string{mac},
			Links: []apiv1.Link{{Bootloader: "pxelinux", MACAddress: mac, Path: pathOf(mac), State: state}},
		})
	}
	return s
}

// hostile is a server that would like to write on the terminal of whoever asks.
func hostile() *fakeSite {
	s := newFakeSite()
	evil := "\x1b]0;owned\x07\n\u202eevil\u009b31m"
	s.configurations = append(s.configurations, apiv1.Configuration{Name: evil})
	s.contents[evil] = []apiv1.Variant{{Content: "x"}}
	s.bootloaders = append(s.bootloaders, apiv1.Bootloader{Name: evil, Links: []string{evil}})
	s.hosts = append(s.hosts, apiv1.Host{Name: evil, MACAddresses: []string{evil}, State: evil,
		Labels: map[string]string{evil: evil}, Links: []apiv1.Link{{Path: evil, Target: evil, State: evil, Through: []string{evil}}}})
	return s
}
