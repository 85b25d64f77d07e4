// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Every way an NPY or NPZ file can be wrong, by name and with its exact error; then seeded mutations.
#include "core/model/readers.h"
#include "support/mutations.h"
#include "support/zipbuilder.h"

#include <QTest>

#include <functional>

using namespace ql;
using namespace ql::test;
using E = ErrorCode;

namespace {

Bytes npy(const std::string& descr, const std::string& order, const std::string& shape, size_t bytes)
{
    return npyFile("{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }",
                   Bytes().zeros(bytes));
}

Bytes dictionary(const std::string& text)
{
    return npyFile(text, Bytes().zeros(16));
}

void addRow(const char* name, ErrorCode code, const Bytes& bytes)
{
    QTest::newRow(name) << bytes.data() << code;
}

void addPreambles()
{
    addRow("empty file", E::UnexpectedEnd, Bytes());
    addRow("magic number cut", E::UnexpectedEnd, Bytes().raw("\x93NUM"));
    addRow("magic number alone", E::UnexpectedEnd, Bytes().raw("\x93NUMPY"));
    addRow("wrong magic number", E::BadMagic, Bytes().raw("\x92NUMPY\1").u8(0).zeros(64));
    addRow("a pickle", E::BadMagic, Bytes().raw("\x80\4\x95").zeros(64));
    addRow("version 0", E::BadVersion, Bytes().raw("\x93NUMPY").u8(0).u8(0).zeros(64));
    addRow("version 4", E::BadVersion, Bytes().raw("\x93NUMPY\4").u8(0).zeros(64));
    addRow("version 1.1", E::BadVersion, Bytes().raw("\x93NUMPY\1\1").zeros(64));
    addRow("header length cut", E::UnexpectedEnd, Bytes().raw("\x93NUMPY\1").u8(0).u8(9));
    addRow("header length of version 2 cut", E::UnexpectedEnd, Bytes().raw("\x93NUMPY\2").u8(0).u16(9));
    addRow("header longer than the file", E::UnexpectedEnd, Bytes().raw("\x93NUMPY\1").u8(0).u16(65535).raw("{}"));
    addRow("header of 4 GB", E::NpyBadHeader, Bytes().raw("\x93NUMPY\2").u8(0).u32(UINT32_MAX).raw("{}"));
    addRow("header of 64 KiB and one", E::NpyBadHeader, Bytes().raw("\x93NUMPY\3").u8(0).u32(65537).zeros(65537));
}

void addDictionaries()
{
    addRow("header of zero bytes", E::NpyBadHeader, Bytes().raw("\x93NUMPY\1").u8(0).u16(0));
    addRow("no dictionary", E::NpyBadHeader, dictionary("'descr'"));
    addRow("empty dictionary", E::NpyBadHeader, dictionary("{}"));
    addRow("dictionary that does not end", E::NpyBadHeader, dictionary("{'descr': '<f4', 'fortran_order': False"));
    addRow("no descr", E::NpyBadHeader, dictionary("{'fortran_order': False, 'shape': (2, 2), }"));
    addRow("no fortran_order", E::NpyBadHeader, dictionary("{'descr': '<f4', 'shape': (2, 2), }"));
    addRow("no shape", E::NpyBadHeader, dictionary("{'descr': '<f4', 'fortran_order': False, }"));
    addRow("descr twice", E::NpyBadHeader,
           dictionary("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"));
    addRow("a fourth key", E::NpyBadHeader,
           dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1, }"));
    addRow("text after the dictionary", E::NpyBadHeader,
           dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), } + {}"));
    addRow("key without quotes", E::NpyBadHeader, dictionary("{descr: '<f4', 'fortran_order': False, 'shape': (2, 2)}"));
    addRow("a call in place of a value", E::NpyBadHeader,
           dictionary("{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': (2, 2), }"));
    addRow("quoted text that does not end", E::NpyBadHeader, dictionary("{'descr': '<f4"));
    addRow("escape in a quoted text", E::NpyBadHeader,
           dictionary("{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (2, 2), }"));
    addRow("order that is a number", E::NpyBadHeader, npy("'<f4'", "0", "(2, 2)", 16));
    addRow("order in lower case", E::NpyBadHeader, npy("'<f4'", "false", "(2, 2)", 16));
    addRow("order that goes on", E::NpyBadHeader, npy("'<f4'", "Falsehood", "(2, 2)", 16));
    addRow("dictionary of zero bytes", E::NpyBadHeader, dictionary(std::string(64, '\0')));
    addRow("lists nested ten thousand deep", E::NpyBadHeader,
           npy("'<f4'", "False", std::string(10000, '('), 16));
}

void addShapes()
{
    addRow("shape that is a number", E::NpyBadHeader, npy("'<f4'", "False", "4", 16));
    addRow("shape that is a list", E::NpyBadHeader, npy("'<f4'", "False", "[2, 2]", 16));
    addRow("number in parentheses", E::NpyBadHeader, npy("'<f4'", "False", "(4)", 16));
    addRow("negative dimension", E::NpyBadHeader, npy("'<f4'", "False", "(-2, -2)", 16));
    addRow("dimension with a fraction", E::NpyBadHeader, npy("'<f4'", "False", "(2.0, 2)", 16));
    addRow("dimension in hexadecimal", E::NpyBadHeader, npy("'<f4'", "False", "(0x2, 2)", 16));
    addRow("two commas", E::NpyBadHeader, npy("'<f4'", "False", "(2,, 2)", 16));
    addRow("comma alone", E::NpyBadHeader, npy("'<f4'", "False", "(,)", 4));
    addRow("nested tuple", E::NpyBadHeader, npy("'<f4'", "False", "((2, 2), 2)", 16));
    std::string many = "(";
    for (int i = 0; i < 65; ++i)
        many += "1, ";
    addRow("65 dimensions", E::NpyBadHeader, npy("'<f4'", "False", many + ")", 4));
    addRow("dimension of 2^63", E::ShapeOverflow, npy("'<f4'", "False", "(9223372036854775808,)", 16));
    addRow("dimension of thirty digits", E::ShapeOverflow, npy("'<f4'", "False", "(" + std::string(30, '9') + ",)", 16));
    addRow("product of 2^64", E::ShapeOverflow, npy("'<f4'", "False", "(4294967296, 4294967296)", 16));
    addRow("product that wraps to 4", E::ShapeOverflow, npy("'<f4'", "False", "(4611686018427387905, 4)", 16));
    addRow("bytes that wrap to 16", E::ShapeOverflow, npy("'<f8'", "False", "(2305843009213693954,)", 16));
    addRow("overflow behind a zero", E::ShapeOverflow, npy("'<f4'", "False", "(0, 4294967296, 4294967296)", 0));
    addRow("32 GiB in 80 bytes", E::SizeMismatch, npy("'<f8'", "False", "(65536, 65536)", 16));
    addRow("data one byte short", E::SizeMismatch, npy("'<f4'", "False", "(2, 2)", 15));
    addRow("data one byte long", E::SizeMismatch, npy("'<f4'", "False", "(2, 2)", 17));
    addRow("no data", E::SizeMismatch, npy("'<f4'", "False", "(2, 2)", 0));
    addRow("data behind an empty array", E::SizeMismatch, npy("'<f4'", "False", "(0,)", 4));
    addRow("three dimensions in column-major order", E::Unsupported, npy("'<f4'", "True", "(2, 2, 2)", 32));
}

void addDtypes()
{
    addRow("objects", E::NpyObjectDtype, npy("'|O'", "False", "(2,)", 16));
    addRow("objects without byte order", E::NpyObjectDtype, npy("'O'", "False", "(2,)", 16));
    addRow("objects of eight bytes", E::NpyObjectDtype, npy("'|O8'", "False", "(2,)", 16));
    for (const char* descr : {">f4", ">i2", ">u8", "<c8", "<c16", "|S4", "<U4", "|V2", "<M8[ns]", "<f16", "<f3", "f", "<",
                              "", "float32", "<i", "<i16", "<b1x", "\xFF\xFF"})
        addRow((std::string("type ") + descr).c_str(), E::NpyUnsupportedDtype,
               npy("'" + std::string(descr) + "'", "False", "(4,)", 16));
    addRow("records", E::NpyUnsupportedDtype, npy("[('a', '<f4')]", "False", "(4,)", 16));
}

using Zip = ZipBuilder;

void addZip(const char* name, ErrorCode code, const std::function<void(Zip&)>& spoil)
{
    Zip zip;
    zip.store("a.npy", smallNpy());
    zip.deflate("b.npy", smallNpy());
    spoil(zip);
    addRow(name, code, zip.build());
}

void addArchiveEnds()
{
    addRow("zip: empty file", E::ZipInvalid, Bytes());
    addRow("zip: signature alone", E::ZipInvalid, Bytes().raw("PK\3\4"));
    addRow("zip: no arrays at all", E::NotAModel, Zip().build());
    addZip("zip: last byte missing", E::ZipInvalid, [](Zip& z) { z.dropped = 1; });
    addZip("zip: end record missing", E::ZipInvalid, [](Zip& z) { z.dropped = 22; });
    addZip("zip: several volumes", E::ZipUnsupported, [](Zip& z) { z.disk = 1; });
    addZip("zip: member on another volume", E::ZipUnsupported, [](Zip& z) { z.members[0].disk = 1; });
    addZip("zip: 65534 members announced", E::ZipInvalid, [](Zip& z) { z.entries = 65534; });
    addZip("zip: one member more than there is", E::ZipInvalid, [](Zip& z) { z.entries = 3; });
    addZip("zip: one member fewer than there are", E::ZipInvalid, [](Zip& z) { z.entries = 1; });
    addZip("zip: directory beyond the end", E::ZipInvalid, [](Zip& z) { z.directoryOffset = 0x7FFFFFFF; });
    addZip("zip: directory longer than the file", E::ZipInvalid, [](Zip& z) { z.directoryBytes = 0x7FFFFFFF; });
    addZip("zip: directory too short for its members", E::ZipInvalid, [](Zip& z) { z.directoryBytes = 60; });
    addZip("zip: directory elsewhere", E::ZipInvalid, [](Zip& z) { z.directoryOffset = 0; });
    addZip("zip: 64-bit end record announced, none there", E::ZipInvalid, [](Zip& z) { z.entries = 0xFFFF; });
    addZip("zip: 64-bit end record beyond the end", E::ZipInvalid, [](Zip& z) {
        z.zip64 = true;
        z.end64Offset = UINT64_MAX - 8;
    });
    addZip("zip: 64-bit end record elsewhere", E::ZipInvalid, [](Zip& z) {
        z.zip64 = true;
        z.end64Offset = 0;
    });
    addZip("zip: 2^63 members announced", E::ZipInvalid, [](Zip& z) {
        z.zip64 = true;
        z.entries64 = uint64_t(1) << 63;
    });
}

void addMembers()
{
    addZip("zip: directory entry damaged", E::ZipInvalid, [](Zip& z) { z.entrySignature = 0; });
    addZip("zip: encrypted member", E::ZipUnsupported, [](Zip& z) { z.members[0].flags = 1; });
    addZip("zip: masked headers", E::ZipUnsupported, [](Zip& z) { z.members[0].flags = 1 << 13; });
    for (const uint16_t method : {uint16_t(1), uint16_t(9), uint16_t(12), uint16_t(14), uint16_t(93), uint16_t(99)})
        addZip(("zip: method " + std::to_string(method)).c_str(), E::ZipUnsupported,
               [=](Zip& z) { z.members[0].method = method; });
    addZip("zip: two members of one name", E::ZipInvalid, [](Zip& z) { z.members[1].name = "a.npy"; });
    addZip("zip: name with a new line", E::ZipInvalid, [](Zip& z) { z.members[0].name = "a\n.npy"; });
    addZip("zip: name of malformed UTF-8", E::ZipInvalid, [](Zip& z) { z.members[0].name = "a\xFF.npy"; });
    addZip("zip: empty name", E::ZipInvalid, [](Zip& z) { z.members[0].name.clear(); });
    addZip("zip: name of 5000 bytes", E::ZipInvalid, [](Zip& z) { z.members[0].name = std::string(5000, 'n'); });
    addZip("zip: other name in the local header", E::ZipInvalid, [](Zip& z) { z.members[0].localName = "x.npy"; });
    addZip("zip: longer name in the local header", E::ZipInvalid, [](Zip& z) { z.members[0].localName = "aa.npy"; });
    addZip("zip: other method in the local header", E::ZipInvalid, [](Zip& z) { z.members[0].localMethod = 8; });
    addZip("zip: local header damaged", E::ZipInvalid, [](Zip& z) { z.members[0].localSignature = 7; });
    addZip("zip: local header beyond the directory", E::ZipInvalid, [](Zip& z) { z.members[0].localOffset = 1 << 20; });
    addZip("zip: local header beyond 2^63", E::ZipInvalid, [](Zip& z) {
        z.members[0].zip64 = true;
        z.members[0].localOffset = UINT64_MAX - 4;
    });
    addZip("zip: stored sizes differ", E::ZipInvalid, [](Zip& z) { z.members[0].size += 1; });
    addZip("zip: member longer than the archive", E::ZipInvalid,
           [](Zip& z) { z.members[0].size = 1 << 20, z.members[0].compressedSize = 1 << 20; });
    addZip("zip: member of 2^64 bytes", E::ZipInvalid, [](Zip& z) {
        z.members[0].zip64 = true;
        z.members[0].size = UINT64_MAX;
        z.members[0].compressedSize = UINT64_MAX;
    });
    addZip("zip: 64-bit sizes missing", E::ZipInvalid,
           [](Zip& z) { z.members[0].size = 0xFFFFFFFF, z.members[0].compressedSize = 0xFFFFFFFF; });
    addZip("zip: extra field cut short", E::ZipInvalid, [](Zip& z) { z.members[0].extra.u16(9).u16(100); });
    addZip("zip: members on top of each other", E::ZipInvalid, [](Zip& z) { z.members[1].localOffset = 0; });
    addZip("zip: a member inside another", E::ZipBomb, [](Zip& z) {
        Zip inner;
        inner.store("c.npy", smallNpy());
        inner.store("c.npy", smallNpy());
        z.members[0].bytes.append(inner.build());
        z.members[0].size = z.members[0].bytes.size();
        z.store("c.npy", smallNpy()).localOffset = 30 + 5 + smallNpy().size();
    });
    addZip("zip: a member that inflates a thousand-thousand-fold", E::ZipBomb, [](Zip& z) { z.members[1].size = 1 << 30; });
    addZip("zip: a member that inflates to 3 GiB", E::ZipBomb, [](Zip& z) {
        z.members[1].size = uint64_t(3) << 30;
        z.members[1].bytes.zeros(4 << 20);
    });
    addZip("zip: members that inflate a thousandfold to 300 MB", E::ZipBomb, [](Zip& z) {
        z.members[1].size = 300 << 20;
        z.members[1].bytes.zeros(300 << 10);
    });
    addZip("zip: deflated array damaged", E::ZipInvalid,
           [](Zip& z) { std::fill(z.members[1].bytes.data().begin(), z.members[1].bytes.data().end(), std::byte(0xFF)); });
    addZip("zip: deflated array of no bytes", E::ZipInvalid, [](Zip& z) {
        z.members[1].bytes = Bytes();
        z.members[1].size = 100;
    });
}

void addArraysInArchives()
{
    const auto replace = [](const char* name, ErrorCode code, const Bytes& array) {
        Zip stored;
        stored.store("a.npy", array);
        addRow((std::string("zip: stored ") + name).c_str(), code, stored.build());
        Zip deflated;
        deflated.deflate("a.npy", array);
        addRow((std::string("zip: deflated ") + name).c_str(), code, deflated.build());
    };
    replace("array of objects", E::NpyObjectDtype, npy("'|O'", "False", "(2,)", 16));
    replace("array of 32 GiB in 80 bytes", E::SizeMismatch, npy("'<f8'", "False", "(65536, 65536)", 16));
    replace("array shorter than its shape", E::SizeMismatch, npy("'<f4'", "False", "(2, 2)", 15));
    replace("array longer than its shape", E::SizeMismatch, npy("'<f4'", "False", "(2, 2)", 17));
    replace("array of no bytes", E::UnexpectedEnd, Bytes());
    replace("array with a header beyond its end", E::UnexpectedEnd, Bytes().raw("\x93NUMPY\1").u8(0).u16(999).raw("{}"));
    replace("text named as an array", E::BadMagic, Bytes().raw("this is no array at all"));
}

} // namespace

class TestNpyMalformed : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void isRefused_data()
    {
        QTest::addColumn<std::vector<std::byte>>("bytes");
        QTest::addColumn<ErrorCode>("code");
        addPreambles();
        addDictionaries();
        addShapes();
        addDtypes();
        addArchiveEnds();
        addMembers();
        addArraysInArchives();
    }
    void isRefused()
    {
        QFETCH(std::vector<std::byte>, bytes);
        QFETCH(ErrorCode, code);
        const bool zip = QByteArray(QTest::currentDataTag()).startsWith("zip:");
        const auto source = memorySource("bad file", bytes);
        const auto contents = zip ? readNpzModel(source) : readNpyModel(source);
        QVERIFY2(!contents, "was accepted");
        const Error& error = contents.error();
        QVERIFY2(error.code == code, (std::string(codeName(error.code)) + " - " + error.text()).c_str());
        const QString text = QString::fromStdString(error.text());
        QVERIFY2(text.contains("bad file") && !text.contains('\n') && text.size() < 400, qPrintable(text));
    }

    void mutationsAreRefusedOrSound_data()
    {
        QTest::addColumn<std::vector<std::byte>>("good");
        QTest::addColumn<bool>("zip");
        QTest::newRow("an array") << smallNpy().data() << false;
        ZipBuilder zip;
        zip.store("a.npy", smallNpy());
        zip.deflate("b.npy", smallNpy());
        QTest::newRow("an archive") << zip.build().data() << true;
        zip.zip64 = true;
        zip.members[0].zip64 = true;
        QTest::newRow("a 64-bit archive") << zip.build().data() << true;
    }
    void mutationsAreRefusedOrSound()
    {
        QFETCH(std::vector<std::byte>, good);
        QFETCH(bool, zip);
        int refused = 0;
        for (size_t length = 0; length < good.size(); ++length)
            refused += readAll({good.begin(), good.begin() + ptrdiff_t(length)}, zip) ? 0 : 1;
        QCOMPARE(refused, int(good.size()));
        Mutator mutator(20240607);
        const int count = mutationCount();
        for (int i = refused = 0; i < count; ++i)
            refused += readAll(mutator.mutate(good), zip) ? 0 : 1;
        QVERIFY(refused > count / 4);
        QVERIFY(refused < count);
    }

private:
    static bool readAll(std::vector<std::byte> bytes, bool zip)
    {
        const auto source = memorySource("mutated file", std::move(bytes));
        const auto contents = zip ? readNpzModel(source) : readNpyModel(source);
        if (!contents)
            return false;
        for (const TensorInfo& info : contents->tensors) {
            const auto view = TensorView::create(contents->files[info.file], info.offset, info.dtype, info.shape,
                                                 info.transposed);
            if (!view || view->byteSize() != info.bytes)
                qFatal("a tensor does not lie where the header says");
            std::vector<float> values(size_t(std::min<int64_t>(view->count(), 4096)));
            (void)view->readFlat(0, int64_t(values.size()), values.data()).ok(); // deflated bytes may be damaged
        }
        return true;
    }
};

QTEST_GUILESS_MAIN(TestNpyMalformed)
#include "tst_npy_malformed.moc"
