package journal

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"strings"
	"time"
)

// A packer makes a compact blob: SQLite would take a row for each host, and with
// that longer than the whole deploy. A blob ends with a checksum, for SQLite
// has none for what is in its pages.
type packer struct {
	data  []byte
	words map[string]uint64
	last  string // name
}

// packing is the format of blobs, their first byte. The first one, which is read as
// well, had no armings with hosts, and less of them. A new one goes with a new version
// of the database (schema.go), so that no older program takes it for damaged.
const (
	packing      = 2
	firstPacking = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newPacker makes a packer for a blob of about that size.
func newPacker(size int) *packer {
	p := &packer{data: make([]byte, 0, size), words: map[string]uint64{}}
	p.data = append(p.data, packing)
	return p
}

// seal ends the blob and returns it.
func (p *packer) seal() []byte {
	return binary.LittleEndian.AppendUint32(p.data, crc32.Checksum(p.data, castagnoli))
}

func (p *packer) number(n uint64) { p.data = binary.AppendUvarint(p.data, n) }

func (p *packer) signed(n int64) { p.data = binary.AppendVarint(p.data, n) }

func (p *packer) flag(is bool) {
	n := uint64(0)
	if is {
		n = 1
	}
	p.number(n)
}

func (p *packer) text(s string) {
	p.number(uint64(len(s)))
	p.data = append(p.data, s...)
}

// word is a text that there are few of.
func (p *packer) word(s string) {
	if n, ok := p.words[s]; ok {
		p.number(n)
		return
	}
	p.words[s] = uint64(len(p.words)) + 1
	p.number(0)
	p.text(s)
}

// name is a text that begins like the last one, as those of hosts do.
func (p *packer) name(s string) {
	n := 0
	for n < len(s) && n < len(p.last) && s[n] == p.last[n] {
		n++
	}
	p.number(uint64(n))
	p.text(s[n:])
	p.last = s
}

// digest is a text that is mostly hexadecimal, of which there are many.
func (p *packer) digest(s string) {
	start := len(p.data)
	p.number(uint64(len(s)/2)<<1 | 1)
	for i := 0; i+1 < len(s); i += 2 {
		p.data = append(p.data, digits[s[i]]<<4|digits[s[i+1]]&0xf)
	}
	if !isHex(s) {
		p.data = p.data[:start]
		p.number(uint64(len(s)) << 1)
		p.data = append(p.data, s...)
	}
}

// isHex says whether hex.EncodeToString could have made s.
func isHex(s string) bool {
	all := byte(0)
	for i := range len(s) {
		all |= digits[s[i]]
	}
	return all < 16 && len(s)%2 == 0
}

// digits are the values of hexadecimal digits, and 255 of what is none.
var digits = func() (d [256]byte) {
	for c := range d {
		d[c] = 255
		if i := strings.IndexByte("0123456789abcdef", byte(c)); i >= 0 {
			d[c] = byte(i)
		}
	}
	return d
}()

// moment is kept to the microsecond, in UTC.
func (p *packer) moment(t time.Time) { p.signed(t.UnixMicro()) }

// errBlob is of a blob that no packer made.
var errBlob = errors.New("a blob is damaged")

// An unpacker reads a blob. After the first error it reads nothing but zeros.
type unpacker struct {
	format byte
	rest   string
	words  []string
	last   []byte // name
	err    error
}

func newUnpacker(blob []byte) *unpacker {
	end := len(blob) - crc32.Size
	if end < 1 || blob[0] != packing && blob[0] != firstPacking || crc32.Checksum(blob[:end], castagnoli) != binary.LittleEndian.Uint32(blob[end:]) {
		return &unpacker{err: errBlob}
	}
	return &unpacker{format: blob[0], rest: string(blob[1:end])}
}

func (u *unpacker) fail() {
	u.err, u.rest = errBlob, ""
}

// done says whether all is read.
func (u *unpacker) done() bool { return u.rest == "" }

func (u *unpacker) number() uint64 {
	// binary.Uvarint wants bytes, of which there is only a string here, so that
	// texts need no copies.
	var n uint64
	for i := 0; i < len(u.rest) && i < binary.MaxVarintLen64; i++ {
		b := u.rest[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			break
		}
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			u.rest = u.rest[i+1:]
			return n
		}
	}
	u.fail()
	return 0
}

func (u *unpacker) signed() int64 {
	n := u.number()
	return int64(n>>1) ^ -int64(n&1)
}

func (u *unpacker) flag() bool {
	n := u.number()
	if n > 1 {
		u.fail()
	}
	return n == 1
}

// count is a number of things, each of which takes a byte at least.
func (u *unpacker) count() int {
	n := u.number()
	if n > uint64(len(u.rest)) {
		u.fail()
		return 0
	}
	return int(n)
}

func (u *unpacker) take(n int) string {
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

func (u *unpacker) text() string { return u.take(u.count()) }

func (u *unpacker) word() string {
	n := u.number()
	switch {
	case n == 0:
		s := strings.Clone(u.text()) // or else it keeps all of the blob in memory
		u.words = append(u.words, s)
		return s
	case n > uint64(len(u.words)):
		u.fail()
		return ""
	}
	return u.words[n-1]
}

func (u *unpacker) name() string {
	u.next()
	return string(u.last)
}

// next reads a name into last.
func (u *unpacker) next() {
	n := u.number()
	if n > uint64(len(u.last)) {
		u.fail()
		n = 0
	}
	u.last = append(u.last[:n], u.text()...)
}

func (u *unpacker) digest() string {
	raw, isHex := u.raw()
	if isHex {
		return hex.EncodeToString([]byte(raw))
	}
	return raw
}

// raw is a digest as it stands in the blob.
func (u *unpacker) raw() (digest string, isHex bool) {
	n := u.number()
	if n>>1 > uint64(len(u.rest)) {
		u.fail()
		return "", false
	}
	return u.take(int(n >> 1)), n&1 == 1
}

func (u *unpacker) moment() time.Time { return time.UnixMicro(u.signed()).UTC() }
