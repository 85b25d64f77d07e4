// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// NPY and NPZ files that numpy wrote (tests/data/npy/make_golden.py), and handcrafted ones.
#include "core/io/mappedfile.h"
#include "core/io/npy.h"
#include "core/io/zip.h"
#include "core/model/readers.h"
#include "support/zipbuilder.h"

#include <QTest>

#include <numeric>

using namespace ql;
using namespace ql::test;

namespace {

std::shared_ptr<const ByteSource> golden(const QString& name, FileAccess access = FileAccess::Map)
{
    auto file = openFile((QString(QL_TEST_DATA "/npy/") + name).toStdString(), access);
    return file ? std::move(file).value() : nullptr;
}

std::vector<float> valuesOf(const Model::Contents& contents, const TensorInfo& info)
{
    const auto view = TensorView::create(contents.files[info.file], info.offset, info.dtype, info.shape, info.transposed);
    if (!view)
        return {};
    std::vector<float> values(size_t(view->count()));
    return view->readFlat(0, view->count(), values.data()) ? values : std::vector<float>();
}

std::vector<float> ramp(size_t count)
{
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), 0.0f);
    return values;
}

} // namespace

class TestNpy : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void readsWhatNumpyWrote_data()
    {
        QTest::addColumn<QString>("file");
        QTest::addColumn<Shape>("shape");
        QTest::addColumn<bool>("transposed");
        QTest::addColumn<std::vector<float>>("values");
        QTest::newRow("columns first") << "columns.npy" << Shape{4, 3} << true << ramp(12);
        QTest::newRow("scalar") << "scalar.npy" << Shape{} << false << std::vector<float>{7};
        QTest::newRow("empty") << "empty.npy" << Shape{0, 4} << false << std::vector<float>();
        QTest::newRow("version 2") << "version2.npy" << Shape{3, 4} << false << ramp(12);
        QTest::newRow("version 3") << "version3.npy" << Shape{3, 4} << false << ramp(12);
    }
    void readsWhatNumpyWrote()
    {
        QFETCH(QString, file);
        const auto contents = readNpyModel(golden(file));
        QVERIFY2(contents, contents ? "" : contents.error().text().c_str());
        QCOMPARE(contents->tensors.size(), size_t(1));
        const TensorInfo& info = contents->tensors[0];
        QCOMPARE(QString::fromStdString(info.name) + ".npy", file);
        QTEST(info.shape, "shape");
        QTEST(info.transposed, "transposed");
        QTEST(valuesOf(*contents, info), "values");
    }

    void refusesWhatIsNoTensor_data()
    {
        QTest::addColumn<QString>("file");
        QTest::addColumn<ErrorCode>("code");
        QTest::newRow("big-endian") << "big_endian.npy" << ErrorCode::NpyUnsupportedDtype;
        QTest::newRow("Python objects") << "objects.npy" << ErrorCode::NpyObjectDtype;
        QTest::newRow("records") << "records.npy" << ErrorCode::NpyUnsupportedDtype;
        QTest::newRow("complex") << "complex.npy" << ErrorCode::NpyUnsupportedDtype;
        QTest::newRow("text") << "text.npy" << ErrorCode::NpyUnsupportedDtype;
    }
    void refusesWhatIsNoTensor()
    {
        QFETCH(QString, file);
        const auto contents = readNpyModel(golden(file));
        QVERIFY(!contents);
        QTEST(contents.error().code, "code");
        QVERIFY(QString::fromStdString(contents.error().text()).contains(file));
    }

    void readsArchives_data()
    {
        QTest::addColumn<QString>("file");
        QTest::addColumn<FileAccess>("access");
        QTest::newRow("stored, mapped") << "stored.npz" << FileAccess::Map;
        QTest::newRow("stored, read") << "stored.npz" << FileAccess::Read;
        QTest::newRow("deflated, mapped") << "deflated.npz" << FileAccess::Map;
        QTest::newRow("deflated, read") << "deflated.npz" << FileAccess::Read;
    }
    void readsArchives()
    {
        QFETCH(QString, file);
        QFETCH(FileAccess, access);
        const auto contents = readNpzModel(golden(file, access));
        QVERIFY2(contents, contents ? "" : contents.error().text().c_str());
        QCOMPARE(contents->tensors.size(), file == "stored.npz" ? size_t(12) : size_t(13));
        const std::vector<DType> types = {DType::F16, DType::F32, DType::F64, DType::I8,  DType::I16, DType::I32,
                                          DType::I64, DType::U8,  DType::U16, DType::U32, DType::U64};
        for (size_t i = 0; i < types.size(); ++i) {
            QCOMPARE(contents->tensors[i].dtype, types[i]);
            QCOMPARE(contents->tensors[i].shape, (Shape{3, 4}));
            QCOMPARE(valuesOf(*contents, contents->tensors[i]), ramp(12));
        }
        QCOMPARE(contents->tensors[11].name, std::string("bool"));
        QCOMPARE(valuesOf(*contents, contents->tensors[11]), (std::vector<float>{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}));
        if (file == "deflated.npz") {
            QCOMPARE(contents->tensors[12].name, std::string("folder/zeros"));
            QCOMPARE(valuesOf(*contents, contents->tensors[12]), std::vector<float>(4096));
        }
    }

    void storedMembersLieInPlace()
    {
        ZipBuilder zip;
        zip.store("a.npy", smallNpy());
        const auto source = zip.source();
        const auto contents = readNpzModel(source);
        QVERIFY(contents);
        QCOMPARE(contents->files.size(), size_t(1));
        QVERIFY(contents->files[0] == source);
        QCOMPARE(valuesOf(*contents, contents->tensors[0]), (std::vector<float>{1, 2, 3, 4}));
    }

    void otherMembersAreLeftOut()
    {
        ZipBuilder zip;
        zip.store("readme.txt", Bytes().raw("hello"));
        zip.store("../../etc/passwd.npy", smallNpy());
        zip.store("folder/", Bytes());
        const auto contents = readNpzModel(zip.source());
        QVERIFY(contents);
        QCOMPARE(contents->tensors.size(), size_t(1));
        QCOMPARE(contents->tensors[0].name, std::string("../../etc/passwd"));
        QCOMPARE(contents->warnings.size(), size_t(2));
    }

    void readsZip64AndComments()
    {
        ZipBuilder zip;
        zip.zip64 = true;
        zip.comment = "made for a test PK\5\6 and more";
        zip.store("a.npy", smallNpy()).zip64 = true;
        zip.deflate("b.npy", smallNpy()).zip64 = true;
        const auto contents = readNpzModel(zip.source());
        QVERIFY2(contents, contents ? "" : contents.error().text().c_str());
        QCOMPARE(contents->tensors.size(), size_t(2));
        for (const TensorInfo& info : contents->tensors)
            QCOMPARE(valuesOf(*contents, info), (std::vector<float>{1, 2, 3, 4}));
    }

    void inflatesBeyondThePrefixOnce()
    {
        Bytes data;
        for (int i = 0; i < 200000; ++i)
            data.number(float(i));
        ZipBuilder zip;
        zip.deflate("a.npy", npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (200, 1000), }", data));
        const auto contents = readNpzModel(zip.source());
        QVERIFY(contents);
        const TensorInfo& info = contents->tensors[0];
        QVERIFY(!contents->files[info.file]->view(info.offset, info.bytes));
        QCOMPARE(valuesOf(*contents, info), ramp(200000));
        QVERIFY(contents->files[info.file]->view(info.offset, info.bytes));
    }

    void damageIsFoundWhenInflating_data()
    {
        QTest::addColumn<int>("what");
        QTest::addColumn<ErrorCode>("code");
        QTest::newRow("checksum") << 0 << ErrorCode::ZipChecksum;
        QTest::newRow("claims less than there is") << 1 << ErrorCode::ZipBomb;
        QTest::newRow("claims more than there is") << 2 << ErrorCode::ZipInvalid;
        QTest::newRow("bytes after the stream") << 3 << ErrorCode::ZipInvalid;
        QTest::newRow("stream cut short") << 4 << ErrorCode::ZipInvalid;
        QTest::newRow("stream of noise") << 5 << ErrorCode::ZipInvalid;
    }
    void damageIsFoundWhenInflating()
    {
        QFETCH(int, what);
        Bytes content;
        for (int i = 0; i < 100000; ++i)
            content.u32(uint32_t(i) * uint32_t(i));
        ZipBuilder zip;
        auto& member = zip.deflate("a", content);
        switch (what) {
        case 0: member.crc ^= 1; break;
        case 1: member.size -= 1; break;
        case 2: member.size += 1; break;
        case 3: member.bytes.zeros(3); break;
        case 4: member.bytes.cut(1); break;
        default: std::fill_n(member.bytes.data().begin() + 1000, 1000, std::byte(0xFF));
        }
        const auto archive = zip.source();
        const auto members = readZipDirectory(*archive);
        QVERIFY(members);
        const auto bytes = inflatedMember(archive, members->front());
        std::vector<std::byte> all(bytes->size());
        for (int attempt = 0; attempt < 2; ++attempt) {
            const Status status = bytes->read(0, all);
            QVERIFY(!status.ok());
            QTEST(status.error().code, "code");
        }
    }
};

QTEST_GUILESS_MAIN(TestNpy)
#include "tst_npy.moc"
