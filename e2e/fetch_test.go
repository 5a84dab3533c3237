package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// fetchers fetch a URL as installers do, and fail where the answer is an error.
var fetchers = map[string][]string{
	"curl":                  {"curl", "-sSf", "--noproxy", "*"},
	"curl, HTTP/1.0":        {"curl", "-sSf", "--noproxy", "*", "--http1.0", "-H", "Host:"},
	"busybox wget":          {"busybox", "wget", "-q", "-O", "-"},
	"busybox wget, by name": {"busybox", "wget", "-q", "-U", "", "-O", "-"},
}

// fetch runs a fetcher.
func fetch(by []string, url string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(by[0], append(by[1:len(by):len(by)], url)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // and no proxy
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr.String())
	}
	return stdout.String(), nil
}

// What a host's link gives is what it boots over HTTP, by any spelling of its
// address and by any client, and so is what a TFTP server gives.
func TestFetch(t *testing.T) {
	testenv.Need(t, "curl", "busybox")
	host := lab.Hosts(1, 2)[0]
	site := newSite(t, host)
	pilot := site.Serve(t)
	deploy(t, pilot, "install", host)
	second := host.MACs[1]
	paths := []string{
		"/boot/" + host.MACs[0], "/boot/" + strings.ReplaceAll(second, ":", "%3A"), "/boot/" + strings.ToUpper(strings.ReplaceAll(second, ":", "-")),
		"/boot/" + strings.ReplaceAll(second, ":", "") + "?bootloader=pxelinux", "/tftp/" + lab.Name(host.MACs[0]), "/tftp//pxelinux.cfg/conf/install",
	}
	for name, by := range fetchers {
		for _, path := range paths {
			if got, err := fetch(by, pilot.URL+path); err != nil || got != contents["install"] {
				t.Errorf("%s of %s: %v\n%s", name, path, err, got)
			}
		}
		if got, err := fetch(by, pilot.URL+"/boot/525400000099"); err == nil {
			t.Errorf("%s of what is not there: %s", name, got)
		}
	}
	shown := lab.PxePilot(t, "-s", pilot.URL, "host", "show", host.Name)
	if !regexp.MustCompile(`(?m)^Last fetched: +install for pxelinux, .*, by 127\.0\.0\.1.*, as /(boot|tftp)/`).MatchString(shown) {
		t.Errorf("the host shows no fetch:\n%s", shown)
	}
	if said := pilot.Said(); !regexp.MustCompile(`msg=request method=GET path=/boot/\S+ status=200 .* host=h1\b`).MatchString(said) {
		t.Errorf("the log does not name the host:\n%s", said)
	}
	if _, err := pilot.Client.Clear(t.Context(), apiv1.Change{Hosts: refs(host)}); err != nil {
		t.Fatal(err)
	}
	line, _, status := lab.Output(t, "curl", "-sS", "--fail-with-body", pilot.URL+"/boot/"+second)
	if want := "host \"h1\" has nothing to boot: \"" + lab.Name(second) + "\" is not there; deploy a configuration by 'pxe-pilot config deploy NAME h1'\n"; status != 22 || line != want {
		t.Errorf("a link that is not there: curl ends with status %d and says %q", status, line)
	}
}

// A large file comes in one piece, and in many; and again only if it changed.
func TestFetchLargeFile(t *testing.T) {
	testenv.Need(t, "curl", "busybox")
	site := newSite(t)
	pilot := site.Serve(t)
	data := make([]byte, 40<<20)
	_, _ = rand.Read(data)
	lab.Write(t, site.Root+"/images/initrd", string(data))
	url, dir := pilot.URL+"/tftp/images/initrd", lab.Dir(t)
	for name, command := range map[string]string{
		"curl": "curl -sSf -o FILE URL", "curl in parts": "curl -sSf -r 0-999999 -o FILE URL && curl -sSf -C - -o FILE URL",
		"wget": "busybox wget -q -O FILE URL", "wget in parts": "curl -sSf -r 0-999999 -o FILE URL && busybox wget -q -c -O FILE URL",
	} {
		file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		_, stderr, status := lab.Output(t, "sh", "-c", strings.NewReplacer("FILE", file, "URL", url).Replace(command))
		if got, err := os.ReadFile(file); status != 0 || !bytes.Equal(got, data) {
			t.Errorf("%s: %d of %d bytes, exit status %d, %v, %s", name, len(got), len(data), status, err, stderr)
		}
	}
	head, _, _ := lab.Output(t, "curl", "-sSI", url)
	if !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || !strings.Contains(head, fmt.Sprintf("\r\nContent-Length: %d\r\n", len(data))) {
		t.Errorf("its head: %s", head)
	}
	tag := dir + "/tag"
	conditional := func() string {
		out, _, _ := lab.Output(t, "curl", "-sS", "--etag-save", tag, "--etag-compare", tag, "-o", "/dev/null", "-w", "%{http_code} %{size_download}", url)
		return out
	}
	whole := fmt.Sprintf("200 %d", len(data))
	if got := conditional(); got != whole {
		t.Errorf("first: %s", got)
	}
	lab.Until(t, "the file is old enough for its tag to stay", func() bool { return conditional() == "304 0" })
	lab.Write(t, site.Root+"/images/initrd", string(data[1:]))
	if got, want := conditional(), fmt.Sprintf("200 %d", len(data)-1); got != want {
		t.Errorf("after a change: %s", got)
	}
}

// Nothing but what is in the root, and what everybody may read, is given away.
func TestFetchStaysInside(t *testing.T) {
	testenv.Need(t, "curl")
	host := lab.Hosts(1, 1)[0]
	site := newSite(t, host)
	const secret = "# the secret of this file\n"
	lab.Write(t, site.File, secret+lab.Read(t, site.File))
	pilot := site.Serve(t)
	deploy(t, pilot, "local", host)
	name := filepath.Base(site.File)
	lab.Link(t, "../"+name, site.Root+"/up")
	lab.Link(t, site.File, site.Root+"/absolute")
	lab.Link(t, "..", site.Root+"/parent")
	lab.Write(t, site.Root+"/closed", secret)
	if err := os.Chmod(site.Root+"/closed", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/tftp/../" + name, "/tftp/%2e%2e/" + name, "/tftp/..%2f" + name, "/tftp/%2e%2e%2f" + name, "/tftp//..//" + name, "/tftp/pxelinux.cfg/../../" + name,
		"/tftp/" + site.File, "/tftp//" + site.File, "/tftp/up", "/tftp/absolute", "/tftp/parent/" + name, "/tftp/closed", "/tftp/", "/tftp/pxelinux.cfg/", "/tftp/pxelinux.cfg",
		"/boot/..%2f..%2f" + name, "/tftp/\\..\\" + name, "/tftp/up%00.txt", "/tftp/.pxe-pilot.plan",
	} {
		body, _, _ := lab.Output(t, "curl", "-sS", "--path-as-is", "-w", "\n%{http_code} %{content_type}", pilot.URL+path)
		line, status, _ := strings.Cut(body, "\n\n")
		if strings.Contains(body, secret) || !regexp.MustCompile(`^40[034] text/plain; charset=utf-8$`).MatchString(status) || strings.Contains(line, "\n") {
			t.Errorf("%s: %q", path, body)
		}
	}
	body, _, _ := lab.Output(t, "curl", "-sS", "-H", "Host: evil.example.com", "-w", "%{http_code}", pilot.URL+"/boot/"+host.MACs[0])
	if !strings.HasPrefix(body, `this server does not answer as "evil.example.com"`) || !strings.HasSuffix(body, "\n403") {
		t.Errorf("a foreign Host: %q", body)
	}
}

// server.boot turns it off and on while the server runs.
func TestFetchOff(t *testing.T) {
	host := lab.Hosts(1, 1)[0]
	site := newSite(t, host)
	pilot := site.Serve(t)
	deploy(t, pilot, "local", host)
	for _, tt := range []struct {
		text   string
		status int
		body   string
	}{
		{site.Text(host) + "  boot: false\n", 404, "this server gives machines no files, for server.boot is false in its configuration file\n"},
		{site.Text(host) + "  boot: true\n", 200, contents["local"]},
	} {
		mark := pilot.Mark()
		site.Describe(t, tt.text)
		pilot.WaitAfter(t, mark, reloaded)
		for _, path := range []string{"/boot/" + host.MACs[0], "/tftp/" + lab.Name(host.MACs[0])} {
			if got := ask(t, "GET", pilot.URL+path, ""); got.status != tt.status || got.body != tt.body {
				t.Errorf("%s: status %d: %s", path, got.status, got.body)
			}
		}
	}
}

// While a host is switched to and fro, machines that fetch over HTTP all the time
// get one configuration or the other, whole, every time; and whoever keeps what it
// got does not miss the last switch.
func TestSwitchUnderHTTPReaders(t *testing.T) {
	testenv.Need(t, "curl", "busybox")
	host := lab.Hosts(1, 2)[0]
	site := newSite(t, host)
	pilot := site.Serve(t)
	deploy(t, pilot, "local", host)
	boot := pilot.URL + "/boot/" + host.MACs[1]
	kept, turn := keeper(boot), 0
	readers := []func() (string, error){kept, func() (string, error) {
		if turn++; turn%2 == 0 {
			return fetch(fetchers["curl"], boot)
		}
		return fetch(fetchers["busybox wget"], pilot.URL+"/tftp/"+lab.Name(host.MACs[0]))
	}}
	switchUnder(t, pilot.Client, host, readers)
	deploy(t, pilot, "install", host)
	if got, err := kept(); err != nil || got != contents["install"] {
		t.Errorf("after the last switch: %v\n%s", err, got)
	}
}

// keeper fetches a URL again and again, and keeps what it got for as long as the
// server says that this is what it would get.
func keeper(url string) func() (string, error) {
	var text, tag string
	return func() (string, error) {
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			return "", err
		}
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		switch {
		case err != nil:
			return "", err
		case res.StatusCode == http.StatusOK:
			text, tag = string(body), res.Header.Get("ETag")
		case res.StatusCode != http.StatusNotModified:
			return "", fmt.Errorf("status %d: %s", res.StatusCode, body)
		}
		return text, nil
	}
}
