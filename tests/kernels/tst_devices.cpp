// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The device list, the probe with children that crash, hang or babble, and the program cache.
#include "kernels/clapi.h"
#include "kernels/devices.h"
#include "kernels/kernelsource.h"
#include "kernels/programcache.h"

#include <QDir>
#include <QElapsedTimer>
#include <QTemporaryDir>
#include <QTest>

using namespace ql;

namespace
{

/// Puts the OpenCL function table back when the test ends.
class ApiGuard
{
public:
    ApiGuard() : m_saved(clApi()) {}
    ~ApiGuard() { clApi() = m_saved; }
    ApiGuard(const ApiGuard&) = delete;
    ApiGuard& operator=(const ApiGuard&) = delete;

private:
    ClApi m_saved;
};

cl_int noPlatform(cl_uint, cl_platform_id*, cl_uint* count)
{
    if (count)
        *count = 0;
    return -1001;
}

cl_int noMemory(cl_uint, cl_platform_id*, cl_uint*)
{
    return CL_OUT_OF_HOST_MEMORY;
}

cl_int noDevice(cl_platform_id, cl_device_type, cl_uint, cl_device_id*, cl_uint*)
{
    return CL_DEVICE_NOT_FOUND;
}

} // namespace

class TestDevices : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void thereIsADevice()
    {
        const auto devices = listDevices();
        QVERIFY2(devices.ok(), devices ? "" : devices.error().text().c_str());
        QVERIFY2(!devices->empty(), "the kernel tests need an OpenCL device; install pocl-opencl-icd");
        const OpenClDevice& device = devices->front();
        QCOMPARE(QString::fromStdString(device.id), QString("opencl:0:0"));
        QVERIFY(!device.name.empty() && !device.platform.empty() && !device.driver.empty());
        QVERIFY(device.computeUnits > 0 && device.globalMemory > 0 && device.maxAllocation > 0);
    }

    void nothingInstalledIsAnEmptyList()
    {
        const ApiGuard guard;
        clApi().clGetPlatformIDs = noPlatform;
        QVERIFY(listDevices().ok() && listDevices()->empty());
        clApi().loaded = false;
        QVERIFY(listDevices().ok() && listDevices()->empty());
    }

    void platformWithoutDeviceIsAnEmptyList()
    {
        const ApiGuard guard;
        clApi().clGetDeviceIDs = noDevice;
        QVERIFY(listDevices().ok() && listDevices()->empty());
    }

    void failingLoaderNamesTheCall()
    {
        const ApiGuard guard;
        clApi().clGetPlatformIDs = noMemory;
        const auto devices = listDevices();
        QVERIFY(!devices);
        QCOMPARE(devices.error().code, ErrorCode::DeviceFailed);
        QCOMPARE(QString::fromStdString(devices.error().message),
                 QString("clGetPlatformIDs failed: CL_OUT_OF_HOST_MEMORY"));
    }

    void probeFindsWhatTheListFinds()
    {
        const auto probed = probeDevices(QL_PROBE_CHILD, {});
        QVERIFY2(probed.ok(), probed ? "" : probed.error().text().c_str());
        const auto listed = listDevices();
        QCOMPARE(probed->size(), listed->size());
        for (size_t i = 0; i < probed->size(); ++i) {
            QCOMPARE((*probed)[i].id, (*listed)[i].id);
            QCOMPARE((*probed)[i].name, (*listed)[i].name);
            QCOMPARE((*probed)[i].driver, (*listed)[i].driver);
            QCOMPARE((*probed)[i].maxAllocation, (*listed)[i].maxAllocation);
            QCOMPARE((*probed)[i].correctlyRoundedDivide, (*listed)[i].correctlyRoundedDivide);
        }
    }

    void brokenDriverIsReported_data()
    {
        QTest::addColumn<QString>("mode");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("words");
        QTest::newRow("crash") << "crash" << int(ErrorCode::DeviceFailed) << "crashed: Segmentation fault";
        QTest::newRow("hang") << "hang" << int(ErrorCode::DeviceTimeout) << "did not answer within 300 ms";
        QTest::newRow("hang at exit") << "hang-after-answer" << int(ErrorCode::DeviceTimeout) << "did not end within";
        QTest::newRow("garbage") << "garbage" << int(ErrorCode::DeviceFailed) << "something else than a device list";
        QTest::newRow("half an answer") << "half" << int(ErrorCode::DeviceFailed) << "incomplete device list";
        QTest::newRow("endless output") << "flood" << int(ErrorCode::DeviceFailed) << "more than a device list";
        QTest::newRow("error of its own") << "error" << int(ErrorCode::DeviceFailed) << "CL_OUT_OF_HOST_MEMORY";
        QTest::newRow("exit code") << "exit" << int(ErrorCode::DeviceFailed) << "exit code 7";
    }
    void brokenDriverIsReported()
    {
        QFETCH(QString, mode);
        QFETCH(QString, words);
        const bool hangs = mode.startsWith("hang");
        const auto devices = probeDevices(QL_PROBE_CHILD, {mode.toStdString()}, hangs ? 300 : 20000);
        QVERIFY(!devices);
        const QString message = QString::fromStdString(devices.error().text());
        QTEST(int(devices.error().code), "code");
        QVERIFY2(message.contains(words), qPrintable(message));
        QVERIFY(!message.contains('\n'));
    }

    void missingProbeProgramIsReported()
    {
        const auto devices = probeDevices("/nonexistent/quantloupe", {});
        QVERIFY(!devices);
        QVERIFY(QString::fromStdString(devices.error().message).contains("could not start /nonexistent/quantloupe"));
    }

    void programCacheGivesBackWhatItStored()
    {
        QTemporaryDir folder;
        const ProgramCache cache((folder.path() + "/new/folder").toStdString());
        QVERIFY(!cache.load("key"));
        const std::vector<unsigned char> binary{1, 2, 0, 10, 255};
        cache.store("key", binary);
        QVERIFY(cache.load("key") == binary);
        QVERIFY(!cache.load("other key"));
        ProgramCache("").store("key", binary);
        QVERIFY(!ProgramCache("").load("key"));
    }

    void damagedCacheFilesCountAsAbsent()
    {
        QTemporaryDir folder;
        const ProgramCache cache(folder.path().toStdString());
        const std::vector<unsigned char> binary(100, 7);
        cache.store("key", binary);
        const QString path = folder.filePath(QDir(folder.path()).entryList(QDir::Files).value(0));
        QFile file(path);
        QVERIFY(file.open(QIODevice::ReadOnly));
        const QByteArray good = file.readAll();
        file.close();
        const auto damaged = [&](const QByteArray& bytes) {
            QFile out(path);
            const bool written = out.open(QIODevice::WriteOnly) && out.write(bytes) == bytes.size();
            out.close();
            return written && !cache.load("key");
        };
        for (qsizetype size = 0; size < good.size(); ++size)
            QVERIFY2(damaged(good.left(size)), qPrintable(QString("cut after %1 bytes").arg(size)));
        for (qsizetype at = 0; at < good.size(); ++at) {
            QByteArray flipped = good;
            flipped[at] = char(flipped[at] ^ 0x10);
            QVERIFY2(damaged(flipped), qPrintable(QString("flipped byte %1").arg(at)));
        }
        QVERIFY(damaged(good + "more"));
    }

    void everyKernelFileResolvesItsIncludes()
    {
        QVERIFY(!kernelFiles().empty());
        for (const KernelFile& file : kernelFiles()) {
            const std::string source = kernelSource(file.name);
            QVERIFY2(source.find("#include") == std::string::npos, std::string(file.name).c_str());
            QVERIFY2(source.find("QL_SHAPE_CL") != std::string::npos, std::string(file.name).c_str());
        }
        QVERIFY(kernelSource("unknown.cl").empty());
    }
};

QTEST_GUILESS_MAIN(TestDevices)
#include "tst_devices.moc"
