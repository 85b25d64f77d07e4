// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Headers and metadata that lie.
#include "ggufbadfiles.h"

#include <functional>

namespace ql::test {
namespace {

constexpr uint32_t kString = uint32_t(GgufType::String);
constexpr uint32_t kArray = uint32_t(GgufType::Array);
constexpr uint32_t kU8 = uint32_t(GgufType::U8);
constexpr uint32_t kU32 = uint32_t(GgufType::U32);
constexpr uint64_t kGi = uint64_t(1) << 30;

class Rows
{
public:
    explicit Rows(GgufBuilder base) : m_base(std::move(base)) {}
    void add(std::string name, ErrorCode code, const std::function<void(GgufBuilder&)>& spoil, std::string mentions)
    {
        GgufBuilder file = m_base;
        spoil(file);
        files.push_back({std::move(name), code, file.build().data(), std::move(mentions)});
    }
    void bytes(std::string name, ErrorCode code, const Bytes& bytes, std::string mentions)
    {
        files.push_back({std::move(name), code, bytes.data(), std::move(mentions)});
    }
    BadFiles files;

private:
    GgufBuilder m_base;
};

/// A header up to the key under test; enough room follows for the count of keys to be believed.
Bytes oneKey(uint64_t length, std::string_view name)
{
    return Bytes().raw("GGUF").u32(3).i64(0).i64(1).u64(length).raw(name);
}

/// A key "some.key" whose value is cut short.
Bytes cutValue(uint32_t type, const Bytes& value)
{
    return oneKey(8, "some.key").u32(type).append(value);
}

const std::vector<GgufType> kFixedTypes = {GgufType::U8,   GgufType::I8,  GgufType::U16, GgufType::I16,
                                           GgufType::U32,  GgufType::I32, GgufType::F32, GgufType::Bool,
                                           GgufType::U64, GgufType::I64, GgufType::F64};

} // namespace

BadFiles badGgufHeaders()
{
    Rows rows(smallGguf());
    using E = ErrorCode;
    rows.bytes("empty file", E::UnexpectedEnd, Bytes(), "byte 0");
    rows.bytes("one byte", E::UnexpectedEnd, Bytes().raw("G"), "byte 0");
    rows.bytes("three bytes of the magic number", E::UnexpectedEnd, Bytes().raw("GGU"), "byte 0");
    rows.bytes("magic number alone", E::UnexpectedEnd, Bytes().raw("GGUF"), "byte 4");
    rows.bytes("version cut", E::UnexpectedEnd, Bytes().raw("GGUF").u16(3), "byte 4");
    rows.bytes("no counts", E::UnexpectedEnd, Bytes().raw("GGUF").u32(3), "byte 8");
    rows.bytes("tensor count cut", E::UnexpectedEnd, Bytes().raw("GGUF").u32(3).u32(0), "byte 8");
    rows.bytes("no key count", E::UnexpectedEnd, Bytes().raw("GGUF").u32(3).i64(0), "byte 16");
    rows.bytes("key count cut", E::UnexpectedEnd, Bytes().raw("GGUF").u32(3).i64(0).u32(0), "byte 16");
    for (const char* magic : {"GGML", "GGJT", "gguf", "FUGG"}) {
        rows.add(std::string("magic number ") + magic, E::BadMagic, [=](auto& f) { f.magic = magic; }, magic);
    }
    rows.bytes("magic number of zeros", E::BadMagic, Bytes().zeros(64), "\\x00");
    rows.bytes("a zip archive", E::BadMagic, Bytes().raw("PK\3\4").zeros(60), "not a GGUF file");
    for (const uint32_t version : {0u, 1u, 4u, 5u, 0x00030003u, 0xFFFFFFFFu}) {
        rows.add("version " + std::to_string(version), E::BadVersion, [=](auto& f) { f.version = version; },
                 std::to_string(version));
    }
    rows.add("big-endian version 2", E::WrongEndianness, [](auto& f) { f.version = 0x02000000; }, "big-endian");
    rows.add("big-endian version 3", E::WrongEndianness, [](auto& f) { f.version = 0x03000000; }, "big-endian");
    const std::pair<const char*, int64_t> lies[] = {
        {"-1", -1},
        {"the least int64", INT64_MIN},
        {"the greatest int64", INT64_MAX},
        {"2^32", int64_t(1) << 32},
        {"2^61, so that times eight wraps", int64_t(1) << 61},
        {"one million", 1000000},
    };
    for (const auto& [name, count] : lies) {
        rows.add(std::string("tensor count ") + name, E::BadCount, [=](auto& f) { f.tensorCount = count; },
                 std::to_string(count) + " tensors");
        rows.add(std::string("key count ") + name, E::BadCount, [=](auto& f) { f.keyCount = count; },
                 std::to_string(count) + " metadata keys");
    }
    rows.bytes("a key announced, none there", E::BadCount, Bytes().raw("GGUF").u32(3).i64(0).i64(1), "1 metadata keys");
    rows.bytes("a tensor announced, none there", E::BadCount, Bytes().raw("GGUF").u32(3).i64(1).i64(0), "1 tensors");
    return rows.files;
}

BadFiles badGgufKeys()
{
    Rows rows(smallGguf());
    using E = ErrorCode;
    const Bytes room = Bytes().zeros(64);
    for (const uint64_t length : {UINT64_MAX, uint64_t(1) << 63, (uint64_t(1) << 32) + 8, kGi + 1})
        rows.bytes("key length " + std::to_string(length), E::StringTooLong, oneKey(length, "k").append(room), "key 0");
    rows.bytes("key length 2^30", E::HeaderTooLarge, oneKey(kGi, "k").append(room), "key 0");
    rows.bytes("key beyond the end", E::UnexpectedEnd, oneKey(66, "k").append(room), "key 0");
    rows.bytes("empty key", E::BadKey, oneKey(0, "").append(room), "empty");
    rows.bytes("key of 65536 bytes", E::BadKey, oneKey(65536, std::string(65536, 'k')).append(room), "65535");
    rows.bytes("key with a new line", E::BadKey, oneKey(3, "a\nb").append(room), "a\\x0Ab");
    rows.bytes("key with a zero byte", E::BadKey, oneKey(3, std::string_view("a\0b", 3)).append(room), "a\\x00b");
    rows.bytes("key with an escape sequence", E::BadKey, oneKey(4, "\x1B[2J").append(room), "\\x1B");
    rows.bytes("key of malformed UTF-8", E::InvalidUtf8, oneKey(3, "a\xFF" "b").append(room), "\\xFF");
    rows.bytes("key of overlong UTF-8", E::InvalidUtf8, oneKey(2, "\xC0\xAF").append(room), "\\xC0");
    rows.bytes("key with a surrogate", E::InvalidUtf8, oneKey(3, "\xED\xA0\x80").append(room), "\\xED");
    rows.bytes("key with half a character", E::InvalidUtf8, oneKey(2, "\xE9\x87").append(room), "\\xE9");
    rows.add("duplicate key", E::DuplicateKey, [](auto& f) { f.u32("general.name", 1); }, "'general.name'");
    rows.add("duplicate key of the same value", E::DuplicateKey,
             [](auto& f) { f.text("general.architecture", "llama"); }, "'general.architecture'");
    rows.add("duplicate alignment", E::DuplicateKey,
             [](auto& f) { f.u32("general.alignment", 32).u32("general.alignment", 64); }, "'general.alignment'");

    for (const uint32_t type : {13u, 14u, 255u, 0x80000000u, 0xFFFFFFFFu}) {
        rows.add("value type " + std::to_string(type), E::BadValueType, [=](auto& f) { f.key("odd", type, Bytes()); },
                 "'odd'");
        rows.add("array element type " + std::to_string(type), E::BadValueType,
                 [=](auto& f) { f.array("odd", type, 1, Bytes()); }, "'odd'");
    }
    rows.bytes("value type cut", E::UnexpectedEnd, oneKey(12, "some.key.odd").u16(4), "'some.key.odd'");
    rows.add("bool of 2", E::BadValueType, [](auto& f) { f.number("flag", GgufType::Bool, uint8_t(2)); }, "'flag'");
    rows.add("bool of 255", E::BadValueType, [](auto& f) { f.number("flag", GgufType::Bool, uint8_t(255)); }, "'flag'");
    for (const GgufType type : kFixedTypes) {
        const std::string name(ggufTypeName(type));
        const auto size = size_t(ggufTypeSize(type));
        rows.bytes(name + " cut short", E::UnexpectedEnd, cutValue(uint32_t(type), Bytes().zeros(size - 1)), "'some.key'");
        const Bytes twoOfThree = Bytes().u32(uint32_t(type)).u64(3).zeros(3 * size - 1);
        rows.bytes("array of " + name + " one byte short", E::UnexpectedEnd, cutValue(kArray, twoOfThree), "'some.key'");
    }
    rows.bytes("string length cut", E::UnexpectedEnd, cutValue(kString, Bytes().u32(1)), "'some.key'");
    rows.bytes("string cut short", E::UnexpectedEnd, cutValue(kString, Bytes().u64(9).raw("12345678")), "'some.key'");
    for (const uint64_t length : {UINT64_MAX, uint64_t(1) << 63, kGi + 1}) {
        rows.bytes("string length " + std::to_string(length), E::StringTooLong, cutValue(kString, Bytes().u64(length)),
                   "'some.key'");
        rows.bytes("string in an array of length " + std::to_string(length), E::StringTooLong,
                   cutValue(kArray, Bytes().u32(kString).u64(1).u64(length)), "'some.key'");
    }
    rows.bytes("string length 2^30", E::UnexpectedEnd, cutValue(kString, Bytes().u64(kGi)), "'some.key'");
    rows.bytes("texts of 17 MB", E::HeaderTooLarge,
               cutValue(kString, Bytes().string(std::string(17 << 20, 'x'))), "'some.key'");
    rows.add("array of arrays", E::NestedArray, [](auto& f) { f.array("nested", kArray, 1, Bytes().u32(kU8).u64(0)); },
             "'nested'");
    rows.add("array of no arrays", E::NestedArray, [](auto& f) { f.array("nested", kArray, 0, Bytes()); }, "'nested'");
    rows.add("array of 2^60 arrays", E::NestedArray,
             [](auto& f) { f.array("nested", kArray, uint64_t(1) << 60, Bytes()); }, "'nested'");
    for (const uint64_t count : {UINT64_MAX, uint64_t(1) << 61, (uint64_t(1) << 32) + 1, kGi + 1}) {
        rows.add("array of " + std::to_string(count) + " numbers", E::ArrayTooLong,
                 [=](auto& f) { f.array("long", kU32, count, Bytes().zeros(64)); }, "'long'");
        rows.add("array of " + std::to_string(count) + " strings", E::ArrayTooLong,
                 [=](auto& f) { f.array("long", kString, count, Bytes().zeros(64)); }, "'long'");
    }
    rows.add("array of 2^30 bytes", E::UnexpectedEnd, [](auto& f) { f.array("long", kU8, kGi, Bytes()); }, "'long'");
    rows.add("array of 2^30 strings", E::UnexpectedEnd, [](auto& f) { f.array("long", kString, kGi, Bytes()); },
             "'long'");
    rows.bytes("array element type cut", E::UnexpectedEnd, cutValue(kArray, Bytes().u16(4)), "'some.key'");
    rows.bytes("array length cut", E::UnexpectedEnd, cutValue(kArray, Bytes().u32(4).u32(1)), "'some.key'");
    rows.bytes("array of strings, last length cut", E::UnexpectedEnd,
               cutValue(kArray, Bytes().u32(kString).u64(2).string("abcdefgh").u32(1)), "'some.key'");
    rows.bytes("array of strings, last text cut", E::UnexpectedEnd,
               cutValue(kArray, Bytes().u32(kString).u64(2).string("a").u64(4).raw("abc")), "'some.key'");
    return rows.files;
}

BadFiles badGgufAlignments()
{
    Rows rows(smallGguf());
    const std::string key = "'general.alignment'";
    for (const uint32_t value : {0u, 3u, 24u, 33u, 0x00200000u, 0x80000000u, 0xFFFFFFFFu}) {
        rows.add("alignment " + std::to_string(value), ErrorCode::BadAlignment,
                 [=](auto& f) { f.u32("general.alignment", value); }, key);
    }
    for (const GgufType type : kFixedTypes) {
        if (type == GgufType::U32)
            continue;
        Bytes one = Bytes().u8(type == GgufType::Bool ? 1 : 32).zeros(size_t(ggufTypeSize(type)) - 1);
        rows.add("alignment of type " + std::string(ggufTypeName(type)), ErrorCode::BadAlignment,
                 [=](auto& f) { f.key("general.alignment", uint32_t(type), one); }, key);
    }
    rows.add("alignment of type string", ErrorCode::BadAlignment, [](auto& f) { f.text("general.alignment", "32"); }, key);
    rows.add("alignment of type array", ErrorCode::BadAlignment,
             [](auto& f) { f.array("general.alignment", kU32, 1, Bytes().u32(32)); }, key);
    return rows.files;
}

} // namespace ql::test
