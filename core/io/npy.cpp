// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/npy.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace ql {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr uint32_t kMaxHeader = 64 << 10;
constexpr size_t kMaxDimensions = 64; ///< numpy's own limit

struct Header {
    std::string descr;
    bool fortranOrder = false;
    Shape shape;
};

/// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } - these three keys in any order and nothing else.
class LiteralParser
{
public:
    explicit LiteralParser(std::string_view text) : m_text(text), m_left(text) {}

    Result<Header> parse()
    {
        QL_CHECK(expect('{'));
        while (!accept('}')) {
            QL_TRY(const std::string key, string());
            QL_CHECK(expect(':'));
            QL_CHECK(entry(key));
            if (!accept(',')) {
                QL_CHECK(expect('}'));
                break;
            }
        }
        skipSpace();
        if (!m_left.empty())
            return bad("text follows the dictionary");
        for (const std::string_view key : {"descr", "fortran_order", "shape"}) {
            if (!seen(key))
                return bad("the key '" + std::string(key) + "' is missing");
        }
        return m_header;
    }

private:
    Error bad(std::string message) const
    {
        const size_t at = m_text.size() - m_left.size();
        return {ErrorCode::NpyBadHeader, std::move(message) + " (character " + std::to_string(at) + " of the header)", {}};
    }

    void skipSpace()
    {
        while (!m_left.empty() && (m_left[0] == ' ' || m_left[0] == '\n' || m_left[0] == '\t' || m_left[0] == '\r'))
            m_left.remove_prefix(1);
    }

    bool accept(char c)
    {
        skipSpace();
        if (m_left.empty() || m_left[0] != c)
            return false;
        m_left.remove_prefix(1);
        return true;
    }

    Status expect(char c)
    {
        if (accept(c))
            return {};
        return bad(std::string("'") + c + "' expected");
    }

    Result<std::string> string()
    {
        skipSpace();
        const char quote = m_left.empty() ? '\0' : m_left[0];
        if (quote != '\'' && quote != '"')
            return bad("a quoted text expected");
        const size_t end = m_left.find(quote, 1);
        if (end == std::string_view::npos)
            return bad("a quoted text does not end");
        const std::string text(m_left.substr(1, end - 1));
        if (text.find('\\') != std::string::npos)
            return bad("a quoted text holds an escape");
        m_left.remove_prefix(end + 1);
        return text;
    }

    bool seen(std::string_view key) const { return std::find(m_keys.begin(), m_keys.end(), key) != m_keys.end(); }

    Status entry(const std::string& key)
    {
        if (seen(key))
            return bad("the key '" + printable(key) + "' appears twice");
        m_keys.push_back(key);
        if (key == "descr")
            return descr();
        if (key == "fortran_order") {
            QL_TRY(m_header.fortranOrder, boolean());
        } else if (key == "shape") {
            QL_TRY(m_header.shape, tuple());
        } else {
            return bad("the key '" + printable(key) + "' is unknown");
        }
        return {};
    }

    Status descr()
    {
        skipSpace();
        if (m_left.starts_with('[')) {
            return Error{ErrorCode::NpyUnsupportedDtype, "the elements are records; save each field as an array of its own",
                         {}};
        }
        QL_TRY(m_header.descr, string());
        return {};
    }

    Result<bool> boolean()
    {
        skipSpace();
        for (const auto& [word, value] : {std::pair<std::string_view, bool>("True", true), {"False", false}}) {
            if (m_left.starts_with(word)) {
                m_left.remove_prefix(word.size());
                return value;
            }
        }
        return bad("True or False expected");
    }

    Result<Shape> tuple()
    {
        QL_CHECK(expect('('));
        Shape shape;
        while (!accept(')')) {
            QL_TRY(const int64_t dim, integer());
            shape.push_back(dim);
            if (shape.size() > kMaxDimensions)
                return bad("more than 64 dimensions");
            if (accept(','))
                continue;
            if (shape.size() == 1)
                return bad("a number in parentheses is no tuple");
            QL_CHECK(expect(')'));
            break;
        }
        return shape;
    }

    Result<int64_t> integer()
    {
        skipSpace();
        if (m_left.empty() || m_left[0] < '0' || m_left[0] > '9')
            return bad("a dimension expected");
        int64_t value = 0;
        const auto [end, failure] = std::from_chars(m_left.data(), m_left.data() + m_left.size(), value);
        if (failure != std::errc())
            return Error{ErrorCode::ShapeOverflow, "a dimension exceeds 63 bits", {}};
        m_left.remove_prefix(static_cast<size_t>(end - m_left.data()));
        return value;
    }

    std::string_view m_text;
    std::string_view m_left;
    Header m_header;
    std::vector<std::string> m_keys;
};

struct DescrRow {
    std::string_view descr; ///< without byte order
    DType dtype;
};

constexpr std::array<DescrRow, 12> kDescrs = {{
    {"f2", DType::F16}, {"f4", DType::F32}, {"f8", DType::F64}, {"i1", DType::I8}, {"i2", DType::I16}, {"i4", DType::I32},
    {"i8", DType::I64}, {"u1", DType::U8}, {"u2", DType::U16}, {"u4", DType::U32}, {"u8", DType::U64}, {"b1", DType::Bool},
}};

Result<DType> dtypeFromDescr(std::string_view descr)
{
    const bool hasOrder = !descr.empty() && std::string_view("<>|=").find(descr[0]) != std::string_view::npos;
    const char order = hasOrder ? descr[0] : '=';
    const std::string_view kind = descr.substr(hasOrder ? 1 : 0);
    if (kind.starts_with('O')) {
        return Error{ErrorCode::NpyObjectDtype,
                     "the array holds Python objects, which are pickled and never read; save it with a number type", {}};
    }
    for (const DescrRow& row : kDescrs) {
        if (row.descr != kind)
            continue;
        if (order == '>' && dtypeInfo(row.dtype).blockBytes > 1) {
            return Error{ErrorCode::NpyUnsupportedDtype,
                         "the numbers are big-endian; save a.astype(a.dtype.newbyteorder('<'))", {}};
        }
        return row.dtype;
    }
    return Error{ErrorCode::NpyUnsupportedDtype,
                 "elements of type '" + printable(descr, 40) + "' are not read (f2 f4 f8 i1-i8 u1-u8 b1 are)", {}};
}

Error named(Error error, const ByteSource& source)
{
    if (error.where.empty())
        error.where = source.name();
    return error;
}

/// Reads magic number and length; leaves `begin` and `length` at the dictionary.
Result<std::string> readDictionary(const ByteSource& source, uint64_t& begin, uint64_t& length)
{
    const auto tooShort = [&](const char* what) {
        return Error{ErrorCode::UnexpectedEnd, std::string("the file ends inside ") + what, source.name()};
    };
    std::array<std::byte, 12> start = {};
    if (length < kMagic.size() + 2)
        return tooShort("the NPY magic number");
    QL_CHECK(source.read(begin, std::span(start).first(kMagic.size() + 2)));
    const std::string_view magic(reinterpret_cast<const char*>(start.data()), kMagic.size());
    if (magic != kMagic)
        return Error{ErrorCode::BadMagic, "this is not an NPY file: it begins with '" + printable(magic) + "'", source.name()};
    const auto major = static_cast<int>(start[6]);
    const auto minor = static_cast<int>(start[7]);
    if (major < 1 || major > 3 || minor != 0) {
        return Error{ErrorCode::BadVersion,
                     "NPY version " + std::to_string(major) + "." + std::to_string(minor) + " is not known (1.0 to 3.0 are)",
                     source.name()};
    }
    const size_t lengthBytes = major == 1 ? 2 : 4;
    const size_t preamble = kMagic.size() + 2 + lengthBytes;
    if (length < preamble)
        return tooShort("the length of the NPY header");
    QL_CHECK(source.read(begin + kMagic.size() + 2, std::span(start).subspan(8, lengthBytes)));
    uint32_t headerBytes = 0;
    for (size_t i = 0; i < lengthBytes; ++i)
        headerBytes |= static_cast<uint32_t>(start[8 + i]) << 8 * i;
    if (headerBytes > kMaxHeader) {
        return Error{ErrorCode::NpyBadHeader, "the header claims " + std::to_string(headerBytes) + " bytes; at most " +
                                                  std::to_string(kMaxHeader) + " are read", source.name()};
    }
    if (headerBytes > length - preamble)
        return tooShort("the NPY header");
    std::string text(headerBytes, '\0');
    QL_CHECK(source.read(begin + preamble, std::as_writable_bytes(std::span(text))));
    begin += preamble + headerBytes;
    length -= preamble + headerBytes;
    return text;
}

Result<uint64_t> bytesOf(DType dtype, const Shape& shape)
{
    // A zero dimension must not hide that the others overflow.
    Shape positive = shape;
    std::erase(positive, 0);
    const auto most = elementCount(positive);
    const auto bytes = most ? dtypeBytes(dtype, *most) : std::nullopt;
    if (!bytes || *bytes > static_cast<uint64_t>(INT64_MAX))
        return Error{ErrorCode::ShapeOverflow, "the shape " + toString(shape) + " overflows", {}};
    return positive.size() == shape.size() ? *bytes : 0;
}

Result<NpyArray> interpret(std::string_view dictionary)
{
    QL_TRY(const Header header, LiteralParser(dictionary).parse());
    NpyArray array;
    QL_TRY(array.dtype, dtypeFromDescr(header.descr));
    array.shape = header.shape;
    array.fortranOrder = header.fortranOrder;
    QL_TRY(array.bytes, bytesOf(array.dtype, array.shape));
    return array;
}

} // namespace

Result<NpyArray> parseNpy(const ByteSource& source, uint64_t begin, uint64_t length)
{
    QL_TRY(const std::string dictionary, readDictionary(source, begin, length));
    auto interpreted = interpret(dictionary);
    if (!interpreted.ok())
        return named(interpreted.error(), source);
    NpyArray array = std::move(interpreted).value();
    if (array.bytes != length) {
        return Error{ErrorCode::SizeMismatch,
                     "shape " + toString(array.shape) + " of " + std::string(dtypeInfo(array.dtype).name) + " needs " +
                         std::to_string(array.bytes) + " bytes, but " + std::to_string(length) + " follow the header",
                     source.name()};
    }
    array.offset = begin;
    return array;
}

} // namespace ql
