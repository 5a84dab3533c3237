package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

const (
	kernel = "\x7fELF\x00 a kernel"
	local  = "DEFAULT local\nLABEL local\n  LOCALBOOT 0\n"
	ubuntu = "DEFAULT ubuntu\n"
	text   = "text/plain; charset=utf-8"
	binary = "application/octet-stream"
)

// newFiles is the site of the example with files beside its configurations.
func newFiles(t testing.TB) (*lab, *memory) {
	l, root := newSeed(t)
	root.files = map[string]string{
		"images/vmlinuz": kernel, "images/a b+c é%.efi": "MZ\x90\x00", "closed": "closed", "empty": "",
		"page.html": "<html><script>alert(1)</script>", "menu": "\x1b[1mmenu é\r\n\x0c", "latin1": "\xe4\n",
		"cut": strings.Repeat("x", 511) + "é", "long": strings.Repeat("0123456789", 10),
	}
	return l, root
}

func (l *lab) wantClosed(root *memory) {
	l.t.Helper()
	if n := root.opened.Load(); n != 0 {
		l.t.Errorf("%d files are still open", n)
	}
}

func TestFiles(t *testing.T) {
	l, root := newFiles(t)
	for _, tt := range []struct {
		target string
		status int
		kind   string
		body   string
	}{
		{"/boot/00:00:00:00:00:02", 200, text, ubuntu},
		{"/boot/00%3A00%3a00%3A00%3A00%3A02", 200, text, ubuntu},
		{"/boot/00-00-00-00-00-02", 200, text, ubuntu},
		{"/boot/0000.0000.0002", 200, text, ubuntu},
		{"/boot/000000000002", 200, text, ubuntu},
		{"/boot/000000000003?bootloader=pxelinux", 200, text, local},
		{"/boot/000000000033?bootloader=", 200, text, local},
		{"/boot/000000000001", 404, text, "host \"h1\" has nothing to boot: \"pxelinux.cfg/01-00-00-00-00-00-01\" is not there; deploy a configuration by 'pxe-pilot config deploy NAME h1'\n"},
		{"/boot/000000000009", 404, text, "no host has the MAC address 00:00:00:00:00:09; add it to the mac_addresses of its host in the configuration file\n"},
		{"/boot/000000000003?bootloader=grub", 404, text, "bootloader \"grub\" not found\n"},
		{"/boot/h1", 400, text, "\"h1\" is not a MAC address (want six pairs of hexadecimal digits such as 00:1a:2b:3c:4d:5e)\n"},
		{"/boot/000000000002?loader=grub", 400, text, "unknown query parameter \"loader\"; known here: bootloader\n"},
		{"/boot/", 404, text, "there is no \"/boot/\"; /v1/openapi.yaml tells the paths\n"},
		{"/boot", 404, text, "there is no \"/boot\"; /v1/openapi.yaml tells the paths\n"},
		{"//boot", 404, text, "there is no \"/boot\"; /v1/openapi.yaml tells the paths\n"},
		{"/boot/000000000002/", 200, text, ubuntu},
		{"/boot//000000000002", 200, text, ubuntu},
		{"//boot/000000000002", 200, text, ubuntu},
		{"//boot/./000000000009//", 404, text, "no host has the MAC address 00:00:00:00:00:09; add it to the mac_addresses of its host in the configuration file\n"},
		{"/boot/000000000002/a", 404, text, "there is no \"/boot/000000000002/a\"; /v1/openapi.yaml tells the paths\n"},
		{"/boot/a%2Fb", 400, text, "\"a/b\" is not a MAC address (want six pairs of hexadecimal digits such as 00:1a:2b:3c:4d:5e)\n"},

		{"/tftp/pxelinux.cfg/01-00-00-00-00-00-02", 200, text, ubuntu},
		{"/tftp//pxelinux.cfg/01-00-00-00-00-00-02", 200, text, ubuntu},
		{"//tftp/./pxelinux.cfg//01-00-00-00-00-00-02", 200, text, ubuntu},
		{"/tftp/pxelinux.cfg%2F01-00-00-00-00-00-02", 200, text, ubuntu},
		{"/tftp/images/vmlinuz", 200, binary, kernel},
		{"/tftp/images/a%20b+c%20%C3%A9%25.efi", 200, binary, "MZ\x90\x00"},
		{"/tftp/empty", 200, text, ""},
		{"/tftp/page.html", 200, text, "<html><script>alert(1)</script>"},
		{"/tftp/menu", 200, text, "\x1b[1mmenu é\r\n\x0c"},
		{"/tftp/latin1", 200, binary, "\xe4\n"},
		{"/tftp/cut", 200, text, strings.Repeat("x", 511) + "é"},
		{"/tftp/gone", 404, text, "\"gone\" is not there\n"},
		{"/tftp/a%0Ab", 404, text, "\"a\\nb\" is not there\n"},
		{"/tftp/closed", 403, text, "\"closed\" is closed\n"},
		{"/tftp/", 404, text, "\"\" is not there\n"},
		{"/tftp", 404, text, "\"\" is not there\n"},
		{"/tftp/../v1/hosts", 404, text, "there is no \"/tftp/../v1/hosts\"; /v1/openapi.yaml tells the paths\n"},
		{"/tftp/images/../../etc", 404, text, "there is no \"/tftp/images/../../etc\"; /v1/openapi.yaml tells the paths\n"},
		{"/tftp/images/vmlinuz?a=b", 400, text, "unknown query parameter \"a\"; none is known here\n"},
		{"/tftpd", 404, "application/json", "{\"message\":\"there is no \\\"/tftpd\\\"; /v1/openapi.yaml tells the paths\"}\n"},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			got := l.ask(method, tt.target, "")
			body := tt.body
			if method == "HEAD" && tt.status < 400 { // of errors net/http drops it
				body = ""
			}
			if diff := cmp.Diff(body, string(got.body)); diff != "" || got.StatusCode != tt.status || got.Header.Get("Content-Type") != tt.kind {
				t.Errorf("%s %s: %d %s\n%s", method, tt.target, got.StatusCode, got.Header.Get("Content-Type"), diff)
			}
			if got.ContentLength != int64(len(tt.body)) {
				t.Errorf("%s %s: Content-Length %d", method, tt.target, got.ContentLength)
			}
			if found := tt.status == 200; found != (got.Header.Get("ETag") != "") || found != (got.Header.Get("Last-Modified") != "") {
				t.Errorf("%s %s: %v", method, tt.target, got.Header)
			}
			if got.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: %v", method, tt.target, got.Header)
			}
		}
	}
	l.wantClosed(root)
	for _, target := range []string{"/boot/000000000002", "/tftp/empty"} {
		got := l.ask("POST", target, "")
		if got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD, OPTIONS" || got.Header.Get("Content-Type") != text {
			t.Errorf("POST %s: %d %v %s", target, got.StatusCode, got.Header, got.body)
		}
	}
}

// A file may be asked for in parts, and only if it changed.
func TestFileConditions(t *testing.T) {
	l, root := newFiles(t)
	const target = "/tftp/long"
	whole := root.files["long"]
	first := l.ask("GET", target, "")
	tag, date := first.Header.Get("ETag"), first.Header.Get("Last-Modified")
	if date != "Sun, 22 Nov 2026 16:04:05 GMT" {
		t.Errorf("Last-Modified: %s", date)
	}
	for _, tt := range []struct {
		headers []string
		status  int
		body    string
		part    string // Content-Range
	}{
		{[]string{"Range: bytes=0-9"}, 206, whole[:10], "bytes 0-9/100"},
		{[]string{"Range: bytes=95-"}, 206, "56789", "bytes 95-99/100"},
		{[]string{"Range: bytes=-3"}, 206, "789", "bytes 97-99/100"},
		{[]string{"Range: bytes=90-1000"}, 206, whole[90:], "bytes 90-99/100"},
		{[]string{"Range: bytes=100-"}, 416, "invalid range: failed to overlap\n", "bytes */100"},
		{[]string{"Range: chunks=1"}, 416, "invalid range\n", ""},
		{[]string{"Range: bytes=0-9", "If-Range: " + tag}, 206, whole[:10], "bytes 0-9/100"},
		{[]string{"Range: bytes=0-9", `If-Range: "other"`}, 200, whole, ""},
		{[]string{"If-None-Match: " + tag}, 304, "", ""},
		{[]string{`If-None-Match: "a", ` + tag}, 304, "", ""},
		{[]string{"If-None-Match: *"}, 304, "", ""},
		{[]string{`If-None-Match: "other"`}, 200, whole, ""},
		{[]string{`If-None-Match: "other"`, "If-Modified-Since: " + date}, 200, whole, ""},
		{[]string{"If-Modified-Since: " + date}, 304, "", ""},
		{[]string{"If-Modified-Since: Sun, 22 Nov 2026 16:04:04 GMT"}, 200, whole, ""},
		{[]string{"If-Modified-Since: yesterday"}, 200, whole, ""},
		{[]string{"If-Match: " + tag}, 200, whole, ""},
		{[]string{`If-Match: "other"`}, 412, "", ""},
		{[]string{"If-Unmodified-Since: Sun, 22 Nov 2026 16:04:04 GMT"}, 412, "", ""},
	} {
		got := l.ask("GET", target, "", tt.headers...)
		if got.StatusCode != tt.status || string(got.body) != tt.body || got.Header.Get("Content-Range") != tt.part {
			t.Errorf("%v: %d %q, %q; want %d %q, %q", tt.headers, got.StatusCode, got.body, got.Header.Get("Content-Range"), tt.status, tt.body, tt.part)
		}
	}
	many := l.ask("GET", target, "", "Range: bytes=0-1,50-51")
	if kind := many.Header.Get("Content-Type"); many.StatusCode != 206 || !strings.HasPrefix(kind, "multipart/byteranges; boundary=") || strings.Count(string(many.body), "Content-Range: bytes ") != 2 {
		t.Errorf("several parts: %d %s %q", many.StatusCode, kind, many.body)
	}
	// A switch is another file under the same name.
	before := l.ask("GET", "/boot/000000000002", "").Header.Get("ETag")
	l.ask("PUT", "/v1/configurations/local/deploy", `{"hosts":[{"name":"h2"}]}`)
	if got := l.ask("GET", "/boot/000000000002", "", "If-None-Match: "+before); got.StatusCode != 200 || string(got.body) != local {
		t.Errorf("after a switch: %d %q", got.StatusCode, got.body)
	}
	l.wantClosed(root)
}

func TestFilesOff(t *testing.T) {
	l, root := newFiles(t)
	on := true
	l.handler.(*api).boots = func() bool { return on }
	for _, target := range []string{"/boot/000000000002", "/boot/nonsense", "/tftp/images/vmlinuz", "/tftp/gone"} {
		on = false
		got := l.ask("GET", target, "")
		if want := "this server gives machines no files, for server.boot is false in its configuration file\n"; got.StatusCode != 404 || string(got.body) != want {
			t.Errorf("%s: %d %q", target, got.StatusCode, got.body)
		}
	}
	l.wantClosed(root)
	on = true
	if got := l.ask("GET", "/boot/000000000002", ""); got.StatusCode != 200 {
		t.Errorf("on again: %d", got.StatusCode)
	}
}

// Whoever does not get through to the API gets no files, and is told by a line.
func TestFilesAreGuarded(t *testing.T) {
	l, _ := newFiles(t)
	for _, target := range []string{"/boot/000000000002", "/tftp/empty"} {
		got := l.ask("GET", target, "", "Host: evil.example.com")
		if got.StatusCode != 403 || !strings.HasPrefix(string(got.body), `this server does not answer as "evil.example.com"; `) || got.Header.Get("Content-Type") != text {
			t.Errorf("%s: %d %q", target, got.StatusCode, got.body)
		}
		if got := l.ask("PUT", target, "", "Sec-Fetch-Site: cross-site"); got.StatusCode != 403 {
			t.Errorf("%s from another origin: %d", target, got.StatusCode)
		}
		for _, host := range []string{"10.0.0.1:3478", "pxe.example.net", "[fe80::1]:3478"} {
			if got := l.ask("GET", target, "", "Host: "+host); got.StatusCode != 200 {
				t.Errorf("%s at %s: %d", target, host, got.StatusCode)
			}
		}
	}
}

func TestFilesThatFail(t *testing.T) {
	l, root := newFiles(t)
	l.ask("GET", "/boot/000000000002", "")
	root.err = pxepilot.Errorf(pxepilot.Unavailable, "the TFTP root: no such file or directory").Because(errors.New("open /var/tftp"))
	for _, target := range []string{"/boot/000000000002", "/tftp/empty"} {
		got := l.ask("GET", target, "")
		if got.StatusCode != 503 || string(got.body) != "the TFTP root: no such file or directory\n" {
			t.Errorf("%s: %d %q", target, got.StatusCode, got.body)
		}
	}
	root.err = errors.New("input/output error")
	got := l.ask("GET", "/tftp/empty", "")
	if want := "internal error; the server's log has the details as request " + got.Header.Get("X-Request-Id") + "\n"; got.StatusCode != 500 || string(got.body) != want {
		t.Errorf("%d %q", got.StatusCode, got.body)
	}
}

// fetched is what GET /v1/hosts/{name} tells of the last fetch, and whether the
// list keeps quiet about it.
func (l *lab) fetched(name string) *apiv1.LastFetch {
	l.t.Helper()
	var h apiv1.Host
	if err := json.Unmarshal(l.ask("GET", "/v1/hosts/"+name, "").body, &h); err != nil {
		l.t.Fatal(err)
	}
	if list := l.ask("GET", "/v1/hosts", ""); strings.Contains(string(list.body), "lastFetch") {
		l.t.Errorf("the list tells of a fetch: %s", list.body)
	}
	if h.LastFetch != nil {
		at, err := time.Parse(time.RFC3339, h.LastFetch.At)
		if age := time.Since(at); err != nil || age < -time.Second || age > time.Hour {
			l.t.Errorf("fetched at %s", h.LastFetch.At)
		}
		h.LastFetch.At = ""
	}
	return h.LastFetch
}

func TestLastFetch(t *testing.T) {
	l, _ := newFiles(t)
	const by, agent = "192.0.2.1", "iPXE/1.21.1 <é>"
	for _, tt := range []struct {
		method, target string
		headers        []string
		host           string
		want           *apiv1.LastFetch
	}{
		{"GET", "/tftp/images/vmlinuz", nil, "h2", nil},
		{"HEAD", "/boot/000000000002", nil, "h2", nil},
		{"GET", "/boot/00%3A00%3A00%3A00%3A00%3A02?bootloader=pxelinux", []string{"User-Agent: " + agent}, "h2",
			&apiv1.LastFetch{Path: "/boot/00%3A00%3A00%3A00%3A00%3A02", By: by, Agent: agent, Bootloader: "pxelinux", Configuration: "ubuntu-16.04", Status: 200}},
		{"GET", "/tftp//pxelinux.cfg/01-00-00-00-00-00-33", nil, "h3",
			&apiv1.LastFetch{Path: "/tftp/pxelinux.cfg/01-00-00-00-00-00-33", By: by, Bootloader: "pxelinux", Configuration: "local", Status: 200}},
		{"GET", "/boot/000000000003", []string{"Range: bytes=0-1"}, "h3",
			&apiv1.LastFetch{Path: "/boot/000000000003", By: by, Bootloader: "pxelinux", Configuration: "local", Status: 206}},
		{"GET", "/boot/000000000003", []string{"If-None-Match: *"}, "h3",
			&apiv1.LastFetch{Path: "/boot/000000000003", By: by, Bootloader: "pxelinux", Configuration: "local", Status: 304}},
		{"GET", "/boot/000000000003", []string{"Range: bytes=1000-"}, "h3",
			&apiv1.LastFetch{Path: "/boot/000000000003", By: by, Bootloader: "pxelinux", Status: 416}},
		{"GET", "/boot/000000000003?bootloader=grub", nil, "h3",
			&apiv1.LastFetch{Path: "/boot/000000000003", By: by, Status: 404}},
		{"HEAD", "/boot/000000000001", nil, "h1",
			&apiv1.LastFetch{Path: "/boot/000000000001", By: by, Bootloader: "pxelinux", Status: 404}},
		{"GET", "/tftp/pxelinux.cfg/01-00-00-00-00-00-01", []string{"User-Agent: a\x1b[2J" + strings.Repeat("x", 999)}, "h1",
			&apiv1.LastFetch{Path: "/tftp/pxelinux.cfg/01-00-00-00-00-00-01", By: by, Agent: "a?[2J" + strings.Repeat("x", 195) + "...", Bootloader: "pxelinux", Status: 404}},
		{"GET", "/boot/000000000001", []string{"Host: evil.example.com", "User-Agent: evil"}, "h1",
			&apiv1.LastFetch{Path: "/tftp/pxelinux.cfg/01-00-00-00-00-00-01", By: by, Agent: "a?[2J" + strings.Repeat("x", 195) + "...", Bootloader: "pxelinux", Status: 404}},
	} {
		l.log.Reset()
		l.ask(tt.method, tt.target, "", tt.headers...)
		if named := strings.Contains(l.log.String(), `"host":"`+tt.host+`"`); named != (tt.want != nil && !slices.Contains(tt.headers, "Host: evil.example.com") || tt.method == "HEAD") {
			t.Errorf("%s %s: the log says %s", tt.method, tt.target, l.log)
		}
		if diff := cmp.Diff(tt.want, l.fetched(tt.host)); diff != "" {
			t.Errorf("%s %s: %s", tt.method, tt.target, diff)
		}
	}
}

// A large file on a slow line takes longer than any answer of the API may.
func TestSlowFile(t *testing.T) {
	for _, version2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l, root := newFiles(t)
			root.files["initrd"] = strings.Repeat("\x00initrd!", 1<<17) // 1 MiB
			began := time.Now()
			res, err := l.servePipes(t, version2).Get("http://localhost/tftp/initrd")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			n, buf := 0, make([]byte, 8<<10)
			for err == nil {
				<-time.After(writeTimeout / 10)
				var more int
				more, err = io.ReadFull(res.Body, buf)
				n += more
			}
			if !errors.Is(err, io.EOF) || n != 1<<20 || res.ContentLength != 1<<20 {
				t.Errorf("%d of %d bytes, %v", n, res.ContentLength, err)
			}
			if took := time.Since(began); took < 10*writeTimeout {
				t.Errorf("it took %s only", took)
			}
			synctest.Wait()
			l.wantClosed(root)
		})
	}
}

// A client that stops in the middle holds neither the connection nor the file.
func TestStalledFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, root := newFiles(t)
		root.files["initrd"] = strings.Repeat("\x00initrd!", 1<<17)
		network := l.servePipes(t, false).Transport.(*http.Transport)
		conn, err := network.DialContext(t.Context(), "tcp", "localhost:80")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /tftp/initrd HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
		if n := root.opened.Load(); n != 1 {
			t.Errorf("%d files are open in the middle", n)
		}
		<-time.After(writeTimeout + time.Second)
		synctest.Wait()
		l.wantClosed(root)
		if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
			t.Errorf("%d bytes after all, %v", len(rest), err)
		}
	})
}

// Whatever is asked for, the answer is a file of the root or one line, and the
// path that Open gets has nothing that a path may not have undone before.
func FuzzFiles(f *testing.F) {
	for _, s := range []string{
		"", "/", "images/vmlinuz", "..", "../..", "%2e%2e/x", "%2e%2e%2fetc%2fpasswd", "a//b", "a%00", "%ff", "\x7f", "a b", "?a=b", "#x", "000000000002", "00:00:00:00:00:02",
		"000000000002?bootloader=pxelinux", "000000000002?bootloader=%00", "//", "./.", "a/./../b", strings.Repeat("a/", 500), "%", "%zz", ";a", "\\..\\x",
	} {
		f.Add(s, "bytes=0-1", "*")
	}
	l, root := newFiles(f)
	f.Fuzz(func(t *testing.T, below, part, tag string) {
		l.t = t
		root.t = t
		l.log.Reset()
		for _, top := range []string{belowBoot, belowTFTP, "//tftp/"} {
			for _, target := range []string{top + below, top + url.PathEscape(below), strings.ReplaceAll(top+url.PathEscape(below), "%2F", "/")} {
				if _, err := url.ParseRequestURI(target); err != nil || strings.ContainsAny(target, " \t\r\n\x00#") {
					continue // net/http answers
				}
				got := l.ask("GET", target, "", "Range: "+part, "If-None-Match: "+tag)
				switch got.StatusCode {
				case 200:
					if s := string(got.body); !slices.Contains([]string{ubuntu, local, kernel, "DEFAULT menu\n", ""}, s) && !root.has(s) {
						t.Errorf("%q gives %q", target, s)
					}
				case 206, 304, 416, 400, 403, 404:
				default:
					t.Errorf("%q: %d", target, got.StatusCode)
				}
			}
		}
		l.wantClosed(root)
	})
}

func (m *memory) has(content string) bool {
	for _, c := range m.files {
		if c == content {
			return true
		}
	}
	return false
}

func TestTidied(t *testing.T) {
	for _, tt := range []struct{ asked, want string }{
		{"/tftp/a", "/tftp/a"},
		{"/tftp", "/tftp/"},
		{"//tftp//a///b/", "/tftp/a/b/"},
		{"/./tftp/./a", "/tftp/a"},
		{"/tftp/a%2F%2Fb//c", "/tftp/a%2F%2Fb/c"},
		{"/tftp//%2e%2e", "/tftp/%2e%2e"},
		{"/tftp//..", "/tftp/.."},
		{"/v1//hosts", "/v1//hosts"},
		{"//v1/hosts", "//v1/hosts"},
		{"//tftpd", "//tftpd"},
		{"//boot/x", "/boot/x"},
		{"/boot//x", "/boot/x"},
		{"/boot/x/", "/boot/x"},
		{"/boot/a%2Fb//", "/boot/a%2Fb"},
		{"/boot//", "/boot/"},
		{"//boot", "/boot"},
		{"//bootp", "//bootp"},
	} {
		u, err := url.ParseRequestURI(tt.asked)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{URL: u}
		if got := tidied(r).URL.EscapedPath(); got != tt.want || r.URL.EscapedPath() != tt.asked {
			t.Errorf("%s: %s, want %s", tt.asked, got, tt.want)
		}
	}
}

var _ Pilot = (*pilot.Pilot)(nil)
