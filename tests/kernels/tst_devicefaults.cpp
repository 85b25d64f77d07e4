// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What happens when a device fails: every call gives what the fallback gives, and the reason is kept. Faults are put
// into the table of OpenCL functions. Last, the published accuracy figures, measured on the device.
#include "kerneltest.h"

#include "kernels/clapi.h"

#include <QDir>
#include <QElapsedTimer>
#include <QTemporaryDir>

using namespace ql;
using namespace ql::test;

namespace
{

ClApi savedApi;
std::atomic<int> enqueued = 0;

cl_int enqueueFails(cl_command_queue, cl_kernel, cl_uint, const size_t*, const size_t*, const size_t*, cl_uint,
                    const cl_event*, cl_event*)
{
    return CL_OUT_OF_RESOURCES;
}

/// Fails in the third slice only: results of the first two must not leak into the answer.
cl_int enqueueFailsLater(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t* offset,
                         const size_t* global, const size_t* local, cl_uint events, const cl_event* list,
                         cl_event* event)
{
    if (++enqueued > 2)
        return CL_DEVICE_NOT_AVAILABLE;
    return savedApi.clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, events, list, event);
}

cl_mem noBuffer(cl_context, cl_mem_flags, size_t, void*, cl_int* status)
{
    *status = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return nullptr;
}

cl_int eventState(cl_int state, void* value)
{
    *static_cast<cl_int*>(value) = state;
    return CL_SUCCESS;
}
cl_int neverDone(cl_event, cl_event_info, size_t, void* value, size_t*)
{
    return eventState(CL_RUNNING, value);
}
cl_int kernelFailed(cl_event, cl_event_info, size_t, void* value, size_t*)
{
    return eventState(CL_OUT_OF_RESOURCES, value);
}

cl_int buildFails(cl_program, cl_uint, const cl_device_id*, const char*, void (*)(cl_program, void*), void*)
{
    return CL_BUILD_PROGRAM_FAILURE;
}

} // namespace

class TestDeviceFaults : public QObject
{
    Q_OBJECT

    static std::shared_ptr<OpenClBackend> make(std::shared_ptr<Backend> reference,
                                               const std::string& cache = QL_KERNEL_CACHE, int timeoutMs = 120000)
    {
        OpenClOptions options = testOptions(false);
        options.timeoutMs = timeoutMs;
        options.cacheFolder = cache;
        const auto backend = OpenClBackend::create("opencl:0:0", std::move(reference), options);
        return backend ? *backend : nullptr;
    }

private Q_SLOTS:
    void init() { savedApi = clApi(); }
    void cleanup() { clApi() = savedApi; }

    void failuresGoToTheFallback_data()
    {
        QTest::addColumn<QString>("fault");
        QTest::addColumn<QString>("reason");
        QTest::addColumn<bool>("forGood");
        QTest::newRow("launch fails") << "launch"
                                      << "clEnqueueNDRangeKernel failed: CL_OUT_OF_RESOURCES" << false;
        QTest::newRow("device lost half-way") << "later"
                                              << "failed: CL_DEVICE_NOT_AVAILABLE" << false;
        QTest::newRow("out of memory") << "memory"
                                       << "clCreateBuffer failed: CL_MEM_OBJECT_ALLOCATION_FAILURE" << false;
        QTest::newRow("kernel fails") << "kernel"
                                      << "CL_OUT_OF_RESOURCES" << false;
        QTest::newRow("device hangs") << "hang"
                                      << "did not finish within 200 ms" << true;
    }
    void failuresGoToTheFallback()
    {
        QFETCH(QString, fault);
        QFETCH(QString, reason);
        QFETCH(bool, forGood);
        const auto reference = std::make_shared<ReferenceBackend>();
        const auto backend = make(reference, QL_KERNEL_CACHE, forGood ? 200 : 120000);
        QVERIFY(backend);
        const auto tensor = TensorView::fromFloats(normalValues(200 * 1000), 200, 1000);
        const Scheme scheme = *Scheme::parse("int4");
        const auto wanted = *ReferenceBackend().measure(tensor, scheme, {});
        enqueued = 0;
        if (fault == "launch")
            clApi().clEnqueueNDRangeKernel = enqueueFails;
        else if (fault == "later")
            clApi().clEnqueueNDRangeKernel = enqueueFailsLater;
        else if (fault == "memory")
            clApi().clCreateBuffer = noBuffer;
        else
            clApi().clGetEventInfo = fault == "kernel" ? kernelFailed : neverDone;
        const auto got = backend->measure(tensor, scheme, {});
        QVERIFY(got.ok());
        QCOMPARE(got->sumSquaredError, wanted.sumSquaredError);
        QCOMPARE(reference->calls, 1);
        QVERIFY2(QString::fromStdString(backend->lastFallback()).contains(reason), backend->lastFallback().c_str());
        clApi() = savedApi;
        // A failure is forgiven, a hang is not: the device is not touched again.
        QVERIFY(backend->measure(tensor, scheme, {}).ok());
        QCOMPARE(reference->calls, forGood ? 2 : 1);
    }

    void aCompilerThatFailsIsAnError()
    {
        clApi().clBuildProgram = buildFails;
        const auto backend = OpenClBackend::create("opencl:0:0", nullptr, {});
        QVERIFY(!backend);
        QCOMPARE(backend.error().code, ErrorCode::KernelBuildFailed);
        QCOMPARE(backend.error().kind(), ErrorKind::Device);
        QVERIFY(QString::fromStdString(backend.error().message).contains("statistics.cl"));
    }

    void unknownDevicesAreAnError()
    {
        for (const char* id : {"opencl:0:99", "opencl:7:0", "cuda", ""}) {
            const auto backend = makeOpenClBackend(id, nullptr, {});
            QVERIFY(!backend);
            QCOMPARE(backend.error().code, ErrorCode::NoDevice);
        }
    }

    void damagedCacheIsCompiledAgain()
    {
        QTemporaryDir folder;
        const std::string cache = folder.path().toStdString();
        QCOMPARE(make(nullptr, cache)->programs().built, 1);
        QCOMPARE(make(nullptr, cache)->programs().loaded, 1);
        const QString path = folder.filePath(QDir(folder.path()).entryList(QDir::Files).value(0));
        QFile file(path);
        QVERIFY(file.open(QIODevice::ReadWrite));
        QVERIFY(file.seek(file.size() / 2) && file.write("damage") == 6);
        file.close();
        const auto backend = make(nullptr, cache);
        QCOMPARE(backend->programs().built, 1);
        QCOMPARE(backend->programs().loaded, 0);
        const auto tensor = TensorView::fromFloats(normalValues(5000), 1, 5000);
        QCOMPARE(backend->statistics(tensor, {})->count, uint64_t(5000));
        QCOMPARE(make(nullptr, cache)->programs().loaded, 1);
    }

    void accuracyIsAsPublished_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<double>("mse");
        QTest::addColumn<double>("meanAbsError");
        QTest::newRow("NF4, 64") << "nf4,group=64" << 0.0084601 << 0.072798;
        QTest::newRow("NF4, 128") << "nf4,group=128" << 0.0091356 << 0.076831;
        QTest::newRow("FP4, 64") << "fp4,group=64" << 0.0148705 << 0.096543;
        QTest::newRow("FP4, 128") << "fp4,group=128" << 0.0165327 << 0.102969;
        QTest::newRow("E2M1, 64") << "e2m1,group=64,scale=f32" << 0.0111738 << 0.0;
        QTest::newRow("E2M1, 128") << "e2m1,group=128,scale=f32" << 0.0118536 << 0.0;
        QTest::newRow("INT4, 64") << "int4,group=64,scale=f32" << 0.0115776 << 0.0;
        QTest::newRow("INT4, 128") << "int4,group=128,scale=f32" << 0.0137519 << 0.0;
        // With a whole zero point, which costs 3 and 2 % against the min-max grid of the closed form.
        QTest::newRow("INT4 asymmetric, 64") << "int4,asym,group=64,scale=f32" << 0.00829 << 0.0;
        QTest::newRow("INT4 asymmetric, 128") << "int4,asym,group=128,scale=f32" << 0.01010 << 0.0;
        QTest::newRow("INT8, 64") << "int8,group=64,scale=f32" << 3.516e-5 << 0.0;
        QTest::newRow("INT8, 128") << "int8,group=128,scale=f32" << 4.177e-5 << 0.0;
    }
    void accuracyIsAsPublished()
    {
        QFETCH(QString, scheme);
        QFETCH(double, mse);
        QFETCH(double, meanAbsError);
        static const auto tensor = TensorView::fromFloats(normalValues(1 << 22), 1 << 12, 1 << 10);
        OpenClOptions options = testOptions(false);
        options.sliceValues = 0;
        const auto reference = std::make_shared<ReferenceBackend>();
        static const auto backend = *OpenClBackend::create("opencl:0:0", reference, options);
        const auto got = backend->measure(tensor, *Scheme::parse(scheme.toStdString()), {});
        QVERIFY2(std::abs(got->mse() / mse - 1) < 0.003, qPrintable(QString::number(got->mse())));
        if (meanAbsError > 0)
            QVERIFY2(std::abs(got->meanAbsError() / meanAbsError - 1) < 0.003,
                     qPrintable(QString::number(got->meanAbsError())));
        QCOMPARE(QString::fromStdString(backend->lastFallback()), QString());
    }
};

QTEST_GUILESS_MAIN(TestDeviceFaults)
#include "tst_devicefaults.moc"
