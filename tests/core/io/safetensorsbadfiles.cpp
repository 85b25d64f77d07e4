// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "safetensorsbadfiles.h"

#include "support/safetensorsbuilder.h"

namespace ql::test {
namespace {

std::string repeated(const std::string& text, int times)
{
    std::string all;
    for (int i = 0; i < times; ++i)
        all += text;
    return all;
}

/// A file whose one tensor "w" has this body; one byte of data.
std::string withBody(const std::string& body)
{
    return safetensorsFile("{\"w\":" + body + "}", "x");
}

std::string withMetadata(const std::string& metadata)
{
    return safetensorsFile("{\"__metadata__\":" + metadata + "}");
}

/// A file with these entries and this much data.
std::string withEntries(const std::string& entries, size_t dataBytes)
{
    return safetensorsFile("{" + entries + "}", std::string(dataBytes, 'x'));
}

} // namespace

std::vector<BadSafetensors> badSafetensorsFrames()
{
    using E = ErrorCode;
    const std::string good = entry("w", "U8", "1", 0, 1);
    return {
        {"empty file", E::HeaderTooSmall, "", "0 bytes"},
        {"one byte", E::HeaderTooSmall, "x", "1 bytes"},
        {"seven bytes", E::HeaderTooSmall, std::string(7, '\0'), "7 bytes"},
        {"length of all ones", E::HeaderTooLarge, std::string(8, '\xFF') + "{}", "18446744073709551615"},
        {"length 2^63", E::HeaderTooLarge, std::string(7, '\0') + "\x80{}", "9223372036854775808"},
        {"length one above the limit", E::HeaderTooLarge, safetensorsFile("{}", "", 100000001), "100000001"},
        {"text file", E::HeaderTooLarge, "This is not a checkpoint at all.", "is this a safetensors file"},
        {"length at the limit of a small file", E::InvalidHeaderLength,
         safetensorsFile("{}", "", 100000000), "100000000"},
        {"length one beyond the end", E::InvalidHeaderLength, safetensorsFile("{}", "", 3), "3 bytes"},
        {"only a length word", E::InvalidHeaderLength, safetensorsFile("", "", 2), "2 bytes"},
        {"empty header", E::InvalidHeaderStart, safetensorsFile(""), "byte 8"},
        {"empty header before data", E::InvalidHeaderStart, safetensorsFile("", "{}"), "byte 8"},
        {"header of spaces", E::InvalidHeaderStart, safetensorsFile("        "), "'{'"},
        {"space before the brace", E::InvalidHeaderStart, safetensorsFile(" {}"), "'{'"},
        {"line before the brace", E::InvalidHeaderStart, safetensorsFile("\n{}"), "'{'"},
        {"byte order mark", E::InvalidHeaderStart, safetensorsFile("\xEF\xBB\xBF{}"), "'{'"},
        {"header is a list", E::InvalidHeaderStart, safetensorsFile("[]"), "'{'"},
        {"header is a string", E::InvalidHeaderStart, safetensorsFile("\"w\""), "'{'"},
        {"header is null", E::InvalidHeaderStart, safetensorsFile("null"), "'{'"},
        {"header of zeros", E::InvalidHeaderStart, safetensorsFile(std::string(16, '\0')), "'{'"},
        {"stray continuation byte", E::InvalidUtf8, safetensorsFile("{\"\x80\":1}"), "UTF-8"},
        {"overlong slash", E::InvalidUtf8, safetensorsFile("{\"\xC0\xAF\":1}"), "UTF-8"},
        {"surrogate half", E::InvalidUtf8, safetensorsFile("{\"\xED\xA0\x80\":1}"), "UTF-8"},
        {"beyond Unicode", E::InvalidUtf8, safetensorsFile("{\"\xF4\x90\x80\x80\":1}"), "UTF-8"},
        {"cut character", E::InvalidUtf8, safetensorsFile("{\"\xE2\x82\":1}"), "UTF-8"},
        {"Latin-1 name", E::InvalidUtf8, safetensorsFile("{\"gr\xFC\":1}"), "UTF-8"},
        {"brace never closed", E::JsonSyntax, safetensorsFile("{"), "byte"},
        {"cut in an entry", E::JsonSyntax, safetensorsFile("{\"w\":{\"dtype\":"), "JSON"},
        {"cut in a name", E::JsonSyntax, safetensorsFile("{\"model.layers"), "JSON"},
        {"no comma between entries", E::JsonSyntax, withEntries(good + entry("v", "U8", "1", 1, 2), 2), "JSON"},
        {"comma at the end", E::JsonSyntax, withEntries(good + ",", 1), "JSON"},
        {"single quotes", E::JsonSyntax, safetensorsFile("{'w':1}"), "JSON"},
        {"comment", E::JsonSyntax, safetensorsFile("{/* nothing */}"), "JSON"},
        {"zero byte after the JSON", E::JsonSyntax, safetensorsFile(std::string("{}\0", 3)), "JSON"},
        {"second document", E::JsonSyntax, safetensorsFile("{}{}"), "JSON"},
        {"letters after the JSON", E::JsonSyntax, safetensorsFile("{} padding"), "JSON"},
        {"raw line break in a name", E::JsonSyntax, safetensorsFile("{\"a\nb\":1}"), "JSON"},
        {"lone surrogate escape", E::JsonSyntax, safetensorsFile("{\"\\ud800\":1}"), "JSON"},
        {"unknown escape", E::JsonSyntax, safetensorsFile("{\"\\x41\":1}"), "JSON"},
        {"NaN literal", E::JsonSyntax, withBody("{\"a\":NaN}"), "JSON"},
        {"number beyond double", E::JsonSyntax, withBody("{\"a\":1e999}"), "JSON"},
        {"leading zero", E::JsonSyntax, withBody("{\"dtype\":\"U8\",\"shape\":[01],\"data_offsets\":[0,1]}"), "JSON"},
        {"lists nested 10,000 deep", E::JsonTooDeep,
         withBody("{\"a\":" + repeated("[", 10000) + repeated("]", 10000) + "}"), "64"},
        {"objects nested 10,000 deep", E::JsonTooDeep,
         withBody("{\"a\":" + repeated("{\"a\":", 10000) + "1" + repeated("}", 10000) + "}"), "64"},
        {"a million brackets never closed", E::JsonTooDeep, withBody("{\"a\":" + repeated("[", 1000000)), "64"},
    };
}

std::vector<BadSafetensors> badSafetensorsEntries()
{
    using E = ErrorCode;
    const std::string dtype = "\"dtype\":\"U8\"";
    const std::string shape = "\"shape\":[1]";
    const std::string offsets = "\"data_offsets\":[0,1]";
    const auto body = [](const std::string& a, const std::string& b, const std::string& c) {
        return withBody("{" + a + "," + b + "," + c + "}");
    };
    return {
        {"entry is null", E::JsonWrongType, withBody("null"), "tensor w"},
        {"entry is true", E::JsonWrongType, withBody("true"), "tensor w"},
        {"entry is a number", E::JsonWrongType, withBody("7"), "tensor w"},
        {"entry is a negative number", E::JsonWrongType, withBody("-7"), "tensor w"},
        {"entry is a string", E::JsonWrongType, withBody("\"U8\""), "tensor w"},
        {"entry is a list", E::JsonWrongType, withBody("[]"), "tensor w"},
        {"entry is empty", E::JsonMissingKey, withBody("{}"), "dtype"},
        {"no dtype", E::JsonMissingKey, withBody("{" + shape + "," + offsets + "}"), "dtype"},
        {"no shape", E::JsonMissingKey, withBody("{" + dtype + "," + offsets + "}"), "shape"},
        {"no offsets", E::JsonMissingKey, withBody("{" + dtype + "," + shape + "}"), "data_offsets"},
        {"keys in capitals", E::JsonMissingKey, body("\"DTYPE\":\"U8\"", shape, offsets), "dtype"},
        {"dtype is a number", E::JsonWrongType, body("\"dtype\":8", shape, offsets), "dtype"},
        {"dtype is null", E::JsonWrongType, body("\"dtype\":null", shape, offsets), "dtype"},
        {"dtype is a list", E::JsonWrongType, body("\"dtype\":[\"U8\"]", shape, offsets), "dtype"},
        {"dtype unknown", E::UnknownDtype, body("\"dtype\":\"U7\"", shape, offsets), "U7"},
        {"dtype empty", E::UnknownDtype, body("\"dtype\":\"\"", shape, offsets), "unknown"},
        {"dtype in small letters", E::UnknownDtype, body("\"dtype\":\"f32\"", shape, offsets), "f32"},
        {"dtype of GGML", E::UnknownDtype, body("\"dtype\":\"Q4_0\"", shape, offsets), "Q4_0"},
        {"dtype with a space", E::UnknownDtype, body("\"dtype\":\"U8 \"", shape, offsets), "U8 "},
        {"dtype with a line break", E::UnknownDtype, body("\"dtype\":\"U8\\n\"", shape, offsets), "\\x0A"},
        {"shape is null", E::JsonWrongType, body(dtype, "\"shape\":null", offsets), "shape"},
        {"shape is a number", E::JsonWrongType, body(dtype, "\"shape\":1", offsets), "shape"},
        {"shape is an object", E::JsonWrongType, body(dtype, "\"shape\":{}", offsets), "shape"},
        {"dimension negative", E::JsonWrongType, body(dtype, "\"shape\":[-1]", offsets), "shape"},
        {"dimensions negative with a positive product", E::JsonWrongType,
         body(dtype, "\"shape\":[-1,-1]", offsets), "shape"},
        {"dimension with a fraction", E::JsonWrongType, body(dtype, "\"shape\":[1.5]", offsets), "shape"},
        {"dimension as a whole float", E::JsonWrongType, body(dtype, "\"shape\":[1.0]", offsets), "shape"},
        {"dimension with an exponent", E::JsonWrongType, body(dtype, "\"shape\":[1e0]", offsets), "shape"},
        {"dimension is a string", E::JsonWrongType, body(dtype, "\"shape\":[\"1\"]", offsets), "shape"},
        {"dimension is null", E::JsonWrongType, body(dtype, "\"shape\":[null]", offsets), "shape"},
        {"dimension is a list", E::JsonWrongType, body(dtype, "\"shape\":[[1]]", offsets), "shape"},
        {"dimension 2^63", E::ShapeOverflow,
         body(dtype, "\"shape\":[9223372036854775808]", offsets), "9223372036854775808"},
        {"dimension 2^64", E::ShapeOverflow, body(dtype, "\"shape\":[18446744073709551616]", offsets), "too large"},
        {"dimension of 60 digits", E::ShapeOverflow,
         body(dtype, "\"shape\":[" + std::string(60, '9') + "]", offsets), "too large"},
        {"offsets are null", E::JsonWrongType, body(dtype, shape, "\"data_offsets\":null"), "data_offsets"},
        {"offsets are a number", E::JsonWrongType, body(dtype, shape, "\"data_offsets\":1"), "data_offsets"},
        {"no offset", E::JsonWrongType, body(dtype, shape, "\"data_offsets\":[]"), "data_offsets"},
        {"one offset", E::JsonWrongType, body(dtype, shape, "\"data_offsets\":[0]"), "data_offsets"},
        {"three offsets", E::JsonWrongType, body(dtype, shape, "\"data_offsets\":[0,1,1]"), "data_offsets"},
        {"offset negative", E::JsonWrongType, body(dtype, shape, "\"data_offsets\":[-1,0]"), "data_offsets"},
        {"offset with a fraction", E::JsonWrongType, body(dtype, shape, "\"data_offsets\":[0,1.0]"), "data_offsets"},
        {"offset is a string", E::JsonWrongType, body(dtype, shape, "\"data_offsets\":[\"0\",1]"), "data_offsets"},
        {"offset 2^64", E::InvalidOffset, body(dtype, shape, "\"data_offsets\":[0,18446744073709551616]"), "tensor w"},
        {"dtype twice", E::JsonDuplicateKey,
         withBody("{" + dtype + "," + dtype + "," + shape + "," + offsets + "}"), "dtype"},
        {"shape twice", E::JsonDuplicateKey,
         withBody("{" + dtype + "," + shape + "," + offsets + ",\"shape\":[2]}"), "shape"},
        {"offsets twice", E::JsonDuplicateKey,
         withBody("{" + dtype + "," + shape + "," + offsets + "," + offsets + "}"), "data_offsets"},
        {"unknown key twice", E::JsonDuplicateKey, withBody("{\"x\":1,\"x\":2}"), "x"},
        {"key twice inside an unknown value", E::JsonDuplicateKey, withBody("{\"x\":{\"y\":1,\"y\":2}}"), "y"},
        {"key twice by an escape", E::JsonDuplicateKey, withBody("{\"x\":1,\"\\u0078\":2}"), "x"},
        {"metadata is a list", E::InvalidMetadata, withMetadata("[]"), "__metadata__"},
        {"metadata is a string", E::InvalidMetadata, withMetadata("\"pt\""), "__metadata__"},
        {"metadata is a number", E::InvalidMetadata, withMetadata("1"), "__metadata__"},
        {"metadata value is a number", E::InvalidMetadata, withMetadata("{\"a\":1}"), "__metadata__"},
        {"metadata value is null", E::InvalidMetadata, withMetadata("{\"a\":null}"), "__metadata__"},
        {"metadata value is an object", E::InvalidMetadata, withMetadata("{\"a\":{}}"), "__metadata__"},
        {"metadata value is a list", E::InvalidMetadata, withMetadata("{\"a\":[]}"), "__metadata__"},
        {"metadata key twice", E::JsonDuplicateKey, withMetadata("{\"a\":\"1\",\"a\":\"2\"}"), "\"a\""},
        {"metadata twice", E::JsonDuplicateKey,
         safetensorsFile("{\"__metadata__\":{},\"__metadata__\":{}}"), "__metadata__"},
        {"metadata described as a tensor", E::InvalidMetadata,
         safetensorsFile("{" + entry("__metadata__", "U8", "1", 0, 1) + "}", "x"), "__metadata__"},
    };
}

std::vector<BadSafetensors> badSafetensorsLayouts()
{
    using E = ErrorCode;
    const std::string top = "18446744073709551615";
    const auto two = [](uint64_t begin, uint64_t end, size_t data) {
        return withEntries(entry("a", "U8", "4", 0, 4) + "," + entry("b", "U8", std::to_string(end - begin), begin, end),
                           data);
    };
    const auto raw = [](const std::string& shape, const std::string& begin, const std::string& end) {
        return withBody("{\"dtype\":\"F32\",\"shape\":[" + shape + "],\"data_offsets\":[" + begin + "," + end + "]}");
    };
    return {
        {"name twice", E::DuplicateTensor,
         withEntries(entry("a", "U8", "1", 0, 1) + "," + entry("a", "U8", "1", 1, 2), 2),
         "tensor a"},
        {"name twice with the same bytes", E::DuplicateTensor,
         withEntries(entry("a", "U8", "1", 0, 1) + "," + entry("a", "U8", "1", 0, 1), 1), "tensor a"},
        {"name twice by an escape", E::DuplicateTensor,
         withEntries(entry("a", "U8", "1", 0, 1) + "," + entry("\\u0061", "U8", "1", 1, 2), 2), "tensor a"},
        {"hole before the first", E::InvalidOffset, withEntries(entry("a", "U8", "1", 1, 2), 2), "begin at 0"},
        {"hole between two", E::InvalidOffset, two(5, 9, 9), "tensor b"},
        {"overlap of one byte", E::InvalidOffset, two(3, 7, 7), "tensor b"},
        {"same range twice", E::InvalidOffset, two(0, 4, 4), "should begin at 4"},
        {"one inside the other", E::InvalidOffset, two(1, 3, 4), "tensor b"},
        {"end before begin", E::InvalidOffset,
         withEntries(entry("a", "U8", "4", 0, 4) + "," + entry("b", "U8", "1", 4, 3), 4),
         "tensor b"},
        {"begin at the top", E::InvalidOffset, raw("1", top, top), "tensor w"},
        {"range wraps to four bytes", E::InvalidOffset, raw("1", "18446744073709551614", "2"), "tensor w"},
        {"product wraps to zero", E::ShapeOverflow, raw("4294967296,4294967296", "0", "0"), "too large"},
        {"product wraps to one", E::ShapeOverflow, raw("3,6148914691236517206", "0", "4"), "too large"},
        {"product wraps before a zero", E::ShapeOverflow, raw("4294967296,4294967296,0", "0", "0"), "too large"},
        {"bytes wrap to four", E::ShapeOverflow, raw("4611686018427387905", "0", "4"), "too large"},
        {"bits wrap", E::ShapeOverflow, raw("576460752303423488", "0", "0"), "too large"},
        {"three four-bit values", E::MisalignedSlice, withEntries(entry("w", "F4", "3", 0, 2), 2), "whole bytes"},
        {"two six-bit values", E::MisalignedSlice, withEntries(entry("w", "F6_E3M2", "2", 0, 2), 2), "whole bytes"},
        {"range too short", E::SizeMismatch, withEntries(entry("w", "F32", "2", 0, 7), 7), "needs 8"},
        {"range too long", E::SizeMismatch, withEntries(entry("w", "F32", "2", 0, 9), 9), "needs 8"},
        {"scalar of no bytes", E::SizeMismatch, withEntries(entry("w", "F32", "", 0, 0), 0), "needs 4"},
        {"empty shape with bytes", E::SizeMismatch, withEntries(entry("w", "F32", "0", 0, 4), 4), "needs 0"},
        {"dtype wider than the range", E::SizeMismatch, withEntries(entry("w", "F64", "1", 0, 4), 4), "needs 8"},
        {"range of the whole address space", E::SizeMismatch, raw("1", "0", top), "needs 4"},
        {"exabyte tensor in a small file", E::MetadataIncompleteBuffer,
         withEntries(entry("w", "U8", "1152921504606846976", 0, 1152921504606846976), 1), "1152921504606846976"},
        {"no data at all", E::MetadataIncompleteBuffer, withEntries(entry("w", "U8", "4", 0, 4), 0), "holds 0"},
        {"last byte missing", E::MetadataIncompleteBuffer, withEntries(entry("w", "U8", "4", 0, 4), 3), "cut"},
        {"one byte too many", E::MetadataIncompleteBuffer, withEntries(entry("w", "U8", "4", 0, 4), 5), "holds 5"},
        {"data without tensors", E::MetadataIncompleteBuffer, safetensorsFile("{}", "data"), "holds 4"},
        {"archive hidden behind the data", E::MetadataIncompleteBuffer,
         withEntries(entry("w", "U8", "1", 0, 1), 1) + "PK\x05\x06" + std::string(18, '\0'), "holds 23"},
    };
}

} // namespace ql::test
