package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// What is below these is for machines that boot: files, and errors that are one
// line of text, for a console.
const (
	belowBoot = "/boot/"
	belowTFTP = "/tftp/"
)

func isForMachines(path string) bool {
	return strings.HasPrefix(path+"/", belowBoot) || strings.HasPrefix(path+"/", belowTFTP)
}

func (a *api) bootHost(w http.ResponseWriter, r *http.Request) error {
	return a.give(w, r, func() (pilot.Given, error) {
		return a.pilot.Boot(r.Context(), r.PathValue("mac"), r.URL.Query().Get("bootloader"))
	})
}

func (a *api) giveFile(w http.ResponseWriter, r *http.Request) error {
	return a.give(w, r, func() (pilot.Given, error) { return a.pilot.File(r.Context(), r.PathValue("path")) })
}

// give answers a file, or the part of it that is asked for, or that nothing
// changed (RFC 9110, sections 13 and 14).
func (a *api) give(w http.ResponseWriter, r *http.Request, find func() (pilot.Given, error)) error {
	if !a.boots() {
		return pxepilot.Errorf(pxepilot.NotFound, "this server gives machines no files, for server.boot is false in its configuration file")
	}
	given, err := find()
	if given.Host != "" {
		rec := w.(*recorder)
		rec.host, rec.answering = given.Host, func(status int) { a.noteFetch(r, given, status) }
	}
	if err != nil {
		return err
	}
	defer given.File.Close()
	kind, err := kindOf(given.File)
	if err != nil {
		return pxepilot.Errorf(pxepilot.Unavailable, "the file cannot be read; the server's log has the reason").Because(err)
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache") // to be kept, but asked for again every time
	h.Set("ETag", `"`+given.File.Tag+`"`)
	http.ServeContent(newStream(w), r, "", given.File.ModTime, given.File)
	return nil
}

// noteFetch tells by name who asked for what. To ask for the head of a file that
// is there is to look, not to fetch.
func (a *api) noteFetch(r *http.Request, given pilot.Given, status int) {
	if r.Method == http.MethodHead && status < 400 {
		return
	}
	f := pilot.Fetch{Path: r.URL.EscapedPath(), By: address(r), Agent: r.UserAgent(), Bootloader: given.Bootloader, Status: status}
	if status < 400 {
		f.Configuration = given.Configuration
	}
	a.pilot.Fetched(given.Host, f)
}

// address is where a request came from, as far as the connection tells.
func address(r *http.Request) string {
	by, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		by = r.RemoteAddr
	}
	return by
}

func appendFetch(b []byte, f pilot.Fetch) []byte {
	return appendJSON(b, apiv1.LastFetch{
		At: stamp(f.At), Path: f.Path, By: f.By, Agent: f.Agent,
		Bootloader: f.Bootloader, Configuration: f.Configuration, Status: f.Status,
	})
}

// appendJSON writes one of the wire types.
func appendJSON(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the wire types have nothing that cannot be encoded
	}
	return append(b, text...)
}

// kindOf tells text from all else by the beginning of a file. It never is what a
// browser would run.
func kindOf(f io.ReadSeeker) (string, error) {
	const enough = 512
	begin := make([]byte, enough)
	n, err := io.ReadFull(f, begin)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if begin = begin[:n]; n == enough { // perhaps in the middle of a character
		for cut := 1; cut < utf8.UTFMax; cut++ {
			if i := n - cut; utf8.RuneStart(begin[i]) {
				if !utf8.FullRune(begin[i:]) {
					begin = begin[:i]
				}
				break
			}
		}
	}
	if !utf8.Valid(begin) || bytes.ContainsFunc(begin, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\n\f\r\x1b", r) }) {
		return "application/octet-stream", nil
	}
	return "text/plain; charset=utf-8", nil
}

// A stream is an answer that may take as long as its client goes on taking it: a
// large file on a slow line. Who takes none of it is given up.
type stream struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newStream(w http.ResponseWriter) stream { return stream{w, http.NewResponseController(w)} }

func (s stream) Write(b []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails where there is no connection, and no limit either
	return s.ResponseWriter.Write(b)
}

// tidied is a request whose path has no empty components, which loaders make that
// join a prefix and a name, if it is for machines. net/http's mux would redirect it,
// or find nothing.
func tidied(r *http.Request) *http.Request {
	escaped := r.URL.EscapedPath()
	var parts []string
	for c := range strings.SplitSeq(escaped, "/") {
		if c != "" && c != "." {
			parts = append(parts, c)
		}
	}
	tidy := "/" + strings.Join(parts, "/")
	isMAC := strings.HasPrefix(tidy, belowBoot) // and no directory
	if strings.HasSuffix(escaped, "/") && !isMAC || tidy == strings.TrimSuffix(belowTFTP, "/") {
		tidy += "/"
	}
	if tidy == escaped || !isForMachines(tidy) {
		return r
	}
	plain, err := url.PathUnescape(tidy)
	if err != nil {
		return r
	}
	again := *r
	u := *r.URL
	u.Path, u.RawPath = plain, tidy
	again.URL = &u
	return &again
}
